fs_PKGS := libxxhash
