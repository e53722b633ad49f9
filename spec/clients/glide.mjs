// valkey GLIDE as checks.mjs drives it.
import { Batch, ClusterBatch, ClusterScanCursor, Decoder, GlideClient,
  GlideClusterClient, Logger, TimeUnit } from "@valkey/valkey-glide";

export const name = "@valkey/valkey-glide";

Logger.setLoggerConfig("off");

export async function connect(port, { cluster, password } = {}) {
  const options = { addresses: [{ host: "127.0.0.1", port }], requestTimeout: 20000,
    inflightRequestsLimit: 10000, credentials: password && { password } };
  const c = cluster ? await GlideClusterClient.createClient(options)
    : await GlideClient.createClient(options);
  const bytes = { decoder: Decoder.Bytes };
  const batch = (pairs, atomic) => {
    const b = cluster ? new ClusterBatch(atomic) : new Batch(atomic);
    for (const [key, value] of pairs) b.set(key, value);
    for (const [key] of pairs) b.get(key);
    return c.exec(b, true, { timeout: 20000 });
  };
  return {
    set: (key, value, seconds) => c.set(key, value,
      seconds ? { expiry: { type: TimeUnit.Seconds, count: seconds } } : undefined),
    get: (key) => c.get(key, bytes),
    mget: (keys) => c.mget(keys, bytes),
    del: (keys) => c.del(keys),
    exists: (keys) => c.exists(keys),
    ttl: (key) => c.ttl(key),
    expire: async (key, seconds) => ((await c.expire(key, seconds)) ? 1 : 0),
    persist: async (key) => ((await c.persist(key)) ? 1 : 0),
    strlen: (key) => c.strlen(key),
    type: (key) => c.type(key),
    lpush: (key) => c.lpush(key, ["x"]),
    async info(section) {
      const text = await c.customCommand(["INFO", section],
        cluster ? { route: "allPrimaries" } : undefined);
      return typeof text === "string" ? [text] : text.map((row) => row.value ?? row);
    },
    async scan(pattern) {
      const found = new Set();
      if (cluster) {
        let cursor = new ClusterScanCursor(), keys;
        while (!cursor.isFinished()) {
          [cursor, keys] = await c.scan(cursor, { match: pattern, count: 100 });
          for (const key of keys) found.add(key);
        }
        return found;
      }
      let cursor = "0", keys;
      do {
        [cursor, keys] = await c.scan(cursor, { match: pattern, count: 100 });
        for (const key of keys) found.add(key);
      } while (cursor !== "0");
      return found;
    },
    pipeline: (pairs) => batch(pairs, false),
    transaction: (pairs) => batch(pairs, true),
    close: () => c.close(),
  };
}
