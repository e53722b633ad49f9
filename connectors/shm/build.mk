shm_PKGS := libxxhash
