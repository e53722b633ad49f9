-- app/bench/nginx.lua: an nginx of one's own: on a free port, below a folder of its
-- own, stopped by its pid. Used by `weir bench --host ngx` and by the specs.
local Ports = require "weir.app.bench.ports"

local Nginx = {}
Nginx.__index = Nginx

-- %name%: filled in by start.
local CONF = [[
load_module %modules%/ndk_http_module.so;
load_module %modules%/ngx_http_lua_module.so;
%user%
worker_processes %workers%;
pid nginx.pid;
error_log error.log %level%;
env WEIR_BUILD;
env WEIR_CONNECTORS;
env WEIR_LIB;
%main%
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  lua_package_path "%lua%/?.lua;%lua%/?/init.lua;;";
  keepalive_requests 1000000000;
  %http%
  server {
    listen 127.0.0.1:%port% backlog=4096 %listen%;
    %server%
  }
}
]]

-- Seconds that starting or stopping may take on a loaded machine.
local PATIENCE = 30


local function output(line)
  local pipe = assert(io.popen("{ " .. line .. "; } 2>&1"))
  local text = pipe:read "*a"
  pipe:close()
  return text
end


-- 0 means that it worked.
local function succeeds(line)
  local code = os.execute(line .. " >/dev/null 2>&1")
  return code == 0 or code == true
end


local function write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end


local function read(path)
  local file = io.open(path, "rb")
  if not file then return "" end
  local text = file:read "*a"
  file:close()
  return text
end


-- The folder that has weir's Lua files.
local function lua_folder()
  local here = debug.getinfo(1, "S").source:match "^@(.*)/weir/app/bench/[^/]*$" or "."
  return (output("cd '" .. here .. "' && pwd"):gsub("\n$", ""))
end


local function modules_folder()
  return output "nginx -V":match "%-%-modules%-path=(%S+)" or "/usr/lib/nginx/modules"
end


--- The configuration file's text. opts: workers, user, level (of the error log),
--- and pieces to put in: main, http,
--- server, listen (further words for the listen line).
local function configuration(opts, port)
  local as_root = output("id -u"):match "^0"
  local values = {
    modules = modules_folder(), lua = lua_folder(), port = port,
    workers = opts.workers or 1, level = opts.level or "notice",
    user = as_root and ("user %s;"):format(opts.user or "root root") or "",
      main = opts.main or "", http = opts.http or "",
    listen = opts.listen or "", server = opts.server or "",
  }
  return (CONF:gsub("%%(%w+)%%", function(name) return tostring(values[name]) end))
end


--- Starts an nginx and returns when it accepts connections and its workers are there.
---@param opts table see configuration
function Nginx.start(opts)
  local prefix = output("mktemp -d"):gsub("\n$", "")
  succeeds("chmod 755 " .. prefix)
  local self = setmetatable({ prefix = prefix, port = Ports.free() }, Nginx)
  self.url = "http://127.0.0.1:" .. self.port
  self:configure(opts)
  local text = output(("nginx -p %s -c nginx.conf -e error.log; echo code $?")
    :format(prefix))
  self.pid = tonumber(read(prefix .. "/nginx.pid"):match "%d+")
  if not text:match "code 0\n$" or not self.pid then
    succeeds("rm -rf " .. prefix)
    error("nginx does not start: " .. text, 2)
  end
  local workers = opts.workers or 1
  if not Nginx.eventually(function() return #self:workers() >= workers end) then
    text = self:log()
    self:stop()
    error("nginx has no workers: " .. text, 2)
  end
  return self
end


--- Writes another configuration; reload reads it.
function Nginx:configure(opts)
  write(self.prefix .. "/nginx.conf", configuration(opts, self.port))
end


---@param name string "HUP", "QUIT", "TERM"
function Nginx:signal(name)
  succeeds(("kill -%s %d"):format(name, self.pid))
end


--- Waits until condition() is true; false when it is not within 30 seconds.
function Nginx.eventually(condition)
  local uv, ends = require "luv", os.time() + PATIENCE
  while os.time() < ends do
    if condition() then return true end
    uv.sleep(20)
  end
  return condition()
end


--- The pids of the worker processes, those that are leaving too.
---@return integer[]
function Nginx:workers()
  local list = {}
  for pid in output("ps -o pid= --ppid " .. self.pid):gmatch "%d+" do
    list[#list + 1] = tonumber(pid)
  end
  table.sort(list)
  return list
end


--- The text of nginx' error log.
function Nginx:log()
  return read(self.prefix .. "/error.log")
end


function Nginx:runs()
  return succeeds("kill -0 " .. self.pid)
end


--- Ends it, gracefully if it can, and removes its folder.
function Nginx:stop()
  for _, signal in ipairs { "QUIT", "TERM", "KILL" } do
    if not self:runs() then break end
    self:signal(signal)
    Nginx.eventually(function() return not self:runs() end)
  end
  succeeds("rm -rf " .. self.prefix)
end


return Nginx
