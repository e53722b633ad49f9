lmdb_PKGS := lmdb libxxhash
