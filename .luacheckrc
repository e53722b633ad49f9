std = "luajit"
max_line_length = 88
self = false
files["spec"] = { std = "+busted" }
files["lua/weir/host/ngx.lua"] = { std = "+ngx_lua" }
files["lua/weir/host/ngx"] = { std = "+ngx_lua" }
files["examples/nginx"] = { std = "+ngx_lua" }
files["examples/nginx/kv.lua"] = { ignore = { "113" } }
files["examples/nginx/redis.lua"] = { ignore = { "113" } }
files["examples/serve/kv.lua"] = { ignore = { "113" } }
files["examples/lmcache/kv.lua"] = { ignore = { "113" } }
