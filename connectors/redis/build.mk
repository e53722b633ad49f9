redis_PKGS := hiredis openssl
