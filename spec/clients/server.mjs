// A weir serve of one's own for run.mjs, ended by its pid.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";

// Starts `weir serve` with these words; resolves when it is ready. `server`: one that
// was stopped, to be started again.
export async function start(weir, words, processes = 1, server = {}) {
  const child = spawn(weir, ["serve", ...words,
    ...(processes > 1 ? ["--processes", String(processes)] : [])],
  { stdio: ["ignore", "ignore", "pipe"] });
  Object.assign(server, { child, log: "", processes });
  // Also when a client's bug ends this program.
  process.on("exit", () => child.kill("SIGKILL"));
  child.stderr.on("data", (bytes) => { server.log += bytes; });
  await server_said(server, /ready at .*\n/g, processes);
  server.port = Number(server.log.match(/ready at 127\.0\.0\.1:(\d+)/)[1]);
  // The pids of the processes that serve.
  server.pids = processes > 1
    ? [...server.log.matchAll(/\(process \d+: (\d+)\)/g)].map((m) => Number(m[1]))
    : [child.pid];
  return server;
}

// Waits until the server has said something n times.
export async function server_said(server, pattern, n = 1) {
  for (let i = 0; i < 1200; i++) {
    if ([...server.log.matchAll(pattern)].length >= n) return;
    if (server.child.exitCode !== null) break;
    await sleep(25);
  }
  throw new Error(`the server did not say ${pattern} ${n} times: ${server.log}`);
}

export async function stop(server, signal = "SIGTERM") {
  const ended = once(server.child, "exit");
  server.child.kill(signal);
  await ended;
}
