---@meta
-- meta.lua: the words for editors that read LuaCATS. It is never loaded. Do not edit
-- it: `make generate` writes it from the tables of the words and connectors.
-- luacheck: no max line length

---@alias weir.Time number|string seconds, or "50ms"
---@alias weir.Size number|string bytes, or "64KiB"
---@alias weir.Rule weir.Predicate|fun(key: string, info: table): boolean
---@alias weir.Back { name: string, back: table }
---@alias weir.Percentile { name: string, percentile: number }

---@class weir.AdmitOptions
---@field seen? integer keys counted for hits(n); the key not seen for longest starts anew

---@class weir.BackOptions
---@field after? weir.Time how long a key may be dirty before it is flushed
---@field max_dirty? weir.Size bytes of keys and values that may be dirty
---@field on_full? "through"|"block"|"busy" what happens to a write over max_dirty
---@field journal? string a folder, for this process alone; dirty writes survive a crash there
---@field sync? "none"|"data" what a write waits for when there is a journal

---@class weir.BreakerOptions
---@field fail? number share of failed calls that opens the breaker
---@field window? integer how many of the last calls are looked at
---@field period? weir.Time look only at calls of so long; default: however old
---@field min? integer calls needed before the breaker may open
---@field open? weir.Time how long it stays open before it probes the store
---@field max_open? weir.Time longest time open; the time doubles after each failed probe
---@field probes? integer calls that must all succeed to close it
---@field slow? weir.Time a call that takes longer counts as failed, or as slow with slow_share
---@field slow_share? number share of slow calls that opens the breaker
---@field on? string|string[] error statuses that count; default: those that say the store is unwell
---@field on_change? fun(state: string, before: string) called at each change of state; an error in it is counted

---@class weir.BysizeOptions
---@field [integer] weir.Store|{ [1]: weir.Size, [2]: weir.Store }
---@field old_copies? integer keys of which a store may hold an old copy that could not be deleted yet

---@class weir.CheaperOptions
---@field load number|string bytes a second that the store is read with
---@field recompute weir.Time time to compute a KiB of a value
---@field latency? weir.Time time that a read takes before the first byte

---@class weir.ChecksumOptions
---@field plain? "refuse"|"accept" what a get does with a value that was stored without this word
---@field apart? weir.Size requests with so many bytes are coded on a thread of their own
---@field max? weir.Size bytes of a decoded value; a larger one is toobig

---@class weir.ChunkOptions
---@field [1]? weir.Size
---@field bytes? weir.Size larger values are cut into pieces of so many bytes
---@field plain? "refuse"|"accept" what a get does with a value that was stored without this word
---@field max? weir.Size bytes of a whole value; a larger one is toobig

---@class weir.CompressOptions
---@field [1]? "zstd"|"lz4"
---@field codec? "zstd"|"lz4" how values are compressed
---@field level? number zstd: -7 to 22 (3); lz4: over 1, to 12, is slower and smaller
---@field above? weir.Size smaller values are not compressed
---@field worth? number a value that does not shrink to this share is not compressed
---@field dictionary? string the path of a dictionary made by zstd --train, for small values alike
---@field plain? "refuse"|"accept" what a get does with a value that was stored without this word
---@field apart? weir.Size requests with so many bytes are coded on a thread of their own
---@field max? weir.Size bytes of a decoded value; a larger one is toobig

---@class weir.CryptOptions
---@field [1]? string
---@field key_file? string a file of lines NUMBER and 64 hexadecimal digits; the first one encrypts
---@field plain? "refuse"|"accept" what a get does with a value that was stored without this word
---@field apart? weir.Size requests with so many bytes are coded on a thread of their own
---@field max? weir.Size bytes of a decoded value; a larger one is toobig

---@class weir.DelayOptions
---@field [1]? weir.Time
---@field seconds? weir.Time how long to wait
---@field spread? number share by which the time differs from key to key
---@field seed? integer the same seed gives the same times

---@class weir.FailoverOptions
---@field [integer] weir.Store
---@field on? string|string[] what goes on: "error", "miss" (and any error), or a list of statuses
---@field order? "listed"|"least_failures"|"hash" in which order the stores are tried
---@field max_tries? integer stores tried at most for a key; default: all
---@field budget? number keys that may go on after a failure, as a share of all; default: any
---@field fail_open? boolean whether an error of all stores is told as a miss, marked degraded
---@field ttl? weir.Time time to live of values that are set in another store than the first
---@field stand_ins? integer keys that may lie in a stand-in store; it takes no further ones
---@field old_copies? integer keys of which a store may hold an old copy that could not be deleted yet

---@class weir.FaultOptions
---@field [1]? number
---@field rate? number share of the keys that fail
---@field status? string the status that these keys get
---@field seed? integer the same seed makes the same keys fail

---@class weir.GhostOptions
---@field [1]? string
---@field file? string the candidate
---@field queue? integer keys that may wait to be shown; more are dropped and counted
---@field keys? integer keys that a store of the candidate without a capacity knows at most

---@class weir.HedgeOptions
---@field delay? weir.Time|weir.Percentile time without an answer after which a read is sent again
---@field max? integer further requests for one read; each after another delay
---@field budget? number further requests allowed, as a share of all reads

---@class weir.LimitOptions
---@field [1]? integer
---@field inflight? integer keys in flight at most; with adaptive, at the beginning: 20 by default
---@field adaptive? "gradient"|"vegas" find out how many keys may be in flight from how long requests take
---@field min? integer least limit of adaptive, in keys
---@field max? integer highest limit of adaptive, in keys
---@field bytes? weir.Size bytes in flight at most
---@field rate? number keys a second at most
---@field burst? integer keys that may go at once after a pause; default: those of a second
---@field queue? integer batches that may wait; over that they are skipped
---@field order? "fifo"|"lifo" which waiting batch goes next
---@field shed? boolean whether to skip a batch that cannot be answered before its deadline

---@class weir.MigrateOptions
---@field from weir.Store the store until then
---@field to weir.Store the store from then on
---@field at string|number when the requests change over
---@field over? weir.Time time before and after it in which writes delete in the other store
---@field old_copies? integer keys of which a store may hold an old copy that could not be deleted yet

---@class weir.MirrorOptions
---@field [integer] weir.Store
---@field ack? "all"|"first"|integer how many stores must have a write before the caller gets the reply
---@field read? "first"|"fastest" which store a get asks
---@field repair? boolean whether a store that misses a value gets a copy in the background
---@field repair_queue? integer keys that may wait for repair; over that the oldest is dropped
---@field repair_bytes? weir.Size bytes that may wait for repair; over that the oldest is dropped
---@field old_copies? integer keys of which a store may hold an old copy that could not be deleted yet

---@class weir.NegativeOptions
---@field [1]? weir.Time
---@field ttl? weir.Time how long a miss is remembered
---@field max? integer misses remembered at most; over that the oldest is dropped

---@class weir.PercentOptions
---@field seed? integer two percents over each other need two seeds to choose other keys

---@class weir.PinOptions
---@field [1]? string|fun(key: string): boolean?
---@field when? string|fun(key: string): boolean? which keys are pinned: those with a prefix, or for which fn(key) is true
---@field capacity weir.Size bytes of pinned values; over that they evict each other

---@class weir.PolicyOptions
---@field run fun(self: weir.Node, req: weir.Request): weir.Reply answers a request
---@field children? table the stores that run uses, by position or by name
---@field name? string the name in paths and in errors
---@field scan? fun(self: weir.Node, req: weir.Request): weir.Reply answers a scan; a policy over one store needs none
---@field plan? fun(self: weir.Node, op: string, key: string) says for explain which way a key would go: a sentence, the stores
---@field bounded? boolean whether run returns by the request's deadline
---@field immediate? boolean whether run never waits

---@class weir.QuotaOptions
---@field by string|fun(key: string): string? which tenant a key belongs to: a Lua pattern, or a function
---@field default integer|string|table the quota of each tenant: a size, or a table of memory's options
---@field tenants? table<string, integer|string|table> other quotas by tenant, for names that are options of quota, too
---@field max_tenants? integer memories for tenants that are not named; further ones share one
---@field listed? integer tenants that the statistics list, the largest ones; others are summed

---@class weir.RecordOptions
---@field [1]? string
---@field path? string the file; %p is the number of the process
---@field size? weir.Size bytes of a file; then it becomes PATH.1 and a new one begins
---@field files? integer files to keep; the oldest goes
---@field hash? boolean write the hashes of keys instead of keys
---@field queue? integer keys that may wait to be written; more are dropped and counted

---@class weir.RetryOptions
---@field [1]? integer
---@field times? integer further attempts
---@field base? weir.Time pause before the second attempt; pauses grow from there
---@field cap? weir.Time longest pause between two attempts
---@field jitter? "full"|"equal"|"decorrelated"|"none" how chance changes the pauses
---@field budget? number|false retries allowed, as a share of first attempts; false = no limit
---@field on? string|string[] error statuses to retry; default: those that may go away by themselves
---@field wait_for_breaker? boolean whether to wait for an open breaker, up to cap, instead of giving up

---@class weir.SerializeOptions
---@field max? weir.Size bytes of the JSON of a value; a larger one is an error, or toobig

---@class weir.ShadowOptions
---@field [1]? weir.Store
---@field to? weir.Store the store that sees the traffic as well
---@field share? number share of the keys that are shown
---@field seed? integer another seed chooses other keys
---@field compare? boolean whether the answers of gets are compared
---@field timeout? weir.Time how long the other store may take for a request
---@field inflight? integer requests that may wait for the other store; more are dropped
---@field bytes? weir.Size bytes of values that may be held meanwhile; more are dropped

---@class weir.ShardOptions
---@field [integer] weir.Store
---@field hash? string how a key picks its store
---@field weights? number[] one number for each store: its share of the keys, relative to the others
---@field names? string[] one name for each store, hashed instead of what the store is called
---@field key? string Lua pattern: hash its capture, or its match, instead of the whole key
---@field tags? boolean hash only the part of a key in {braces}, as Redis Cluster does
---@field replicas? integer stores that each key is kept in

---@class weir.SpoolOptions
---@field [1]? string
---@field path? string a folder for this store in this process alone; deletes survive there
---@field max? weir.Size bytes of deletes that may wait; over that one that fails is an error
---@field every? weir.Time pause before a delete is sent again

---@class weir.TierOptions
---@field [integer] weir.Store
---@field write? "through"|"around"|weir.Back what a set leaves in the upper stores
---@field promote? weir.Rule which values found below are copied up: a predicate or fn(key, info)
---@field delete? "all" which stores a delete goes to
---@field coherent? boolean|"stale" whether copies go when others change keys; "stale": served, but marked
---@field fail_open? boolean whether an error of the authority is told as a miss, marked degraded
---@field stale_while? weir.Time how long a value past its time is served while one caller reads below
---@field stale_if_error? weir.Time how long a value past its time is served if the stores below fail
---@field demote? weir.Rule|{ [1]: weir.Rule, rate: any } which evicted values are written down: a predicate, or { it, rate = }
---@field exclusive? boolean whether a value is in one of the first two stores only, in turn
---@field promote_queue? integer keys that may wait to be copied; over that the oldest is dropped
---@field promote_bytes? weir.Size bytes that may wait to be copied; over that the oldest is dropped
---@field seen? integer keys counted for hits(n); the key not seen for longest starts anew
---@field old_copies? integer keys of which a store may hold an old copy that could not be deleted yet

---@class weir.TinylfuOptions
---@field [1]? integer
---@field n? integer how often, this time included; up to 15
---@field keys? integer keys that are told apart; 8 to 16 bytes each

---@class weir.TtlOptions
---@field [1]? weir.Time
---@field seconds? weir.Time time to live of values that are set without one; default: max
---@field max? weir.Time longest time to live; values that ask for a longer one, or none, get it
---@field force? boolean whether all values live so long, whatever they are set or touched with
---@field jitter? number up to this share is taken off, key by key, so that keys expire apart
---@field stale? weir.Time how long an expired value is still served, while it is refreshed
---@field stale_if_error? weir.Time how long an expired value is served if what is below, or a loader, fails
---@field refresh? fun(key: string): any fn(key) that returns the new value; runs in the background
---@field lease? weir.Time time that a refresh has; default: a tenth of the time to live, 1 to 10 s
---@field pause? weir.Time pause after a failed refresh; default: a tenth, 1 s or more
---@field keys? integer values whose times are remembered; further ones have no stale time

---@class weir.WarmupOptions
---@field ttl? weir.Time longest time to live of a copy; without it, what the value has left
---@field fill_queue? integer keys that may wait to be copied; over that the oldest is dropped
---@field fill_bytes? weir.Size bytes that may wait to be copied; over that the oldest is dropped
---@field old_copies? integer keys of which a store may hold an old copy that could not be deleted yet

---@class weir.EveryStoreOptions
---@field workers? integer threads, each with its own session; 0 = the connector's choice
---@field lanes? string separate queues for ops, and the workers of each: get=4,set=2; the other ops share one more queue
---@field queue? integer items that may wait in a queue before submit answers busy
---@field queue_bytes? weir.Size bytes of values that may wait in a queue
---@field max_value? weir.Size the largest value that is stored or returned
---@field slice_items? integer items of a batch that a worker claims at once; 0 = the connector's choice
---@field slice_bytes? weir.Size bytes that a worker claims at once; 0 = the connector's choice
---@field window_items? integer items in flight on a pipelined session; 0 = the connector's choice
---@field window_bytes? weir.Size bytes in flight on a pipelined session; 0 = the connector's choice
---@field timeout? weir.Time deadline of a batch that has none; 0 = none
---@field connect_timeout? weir.Time the longest time to open a session
---@field backoff? weir.Time pause after a failed connect, doubled with each failure in a row
---@field max_backoff? weir.Time longest pause between connects
---@field spin? weir.Time longest time that a worker looks for work or a reply before it sleeps
---@field inline? "auto"|"true"|"false" answer on the submitting thread, where the connector can; false uses workers

---@class weir.faultStore: weir.EveryStoreOptions
---@field target? string the connector or URL that runs the items
---@field status? "failed"|"timeout"|"reset"|"busy"|"skipped"|"unavailable"|"nospace"|"toobig"|"denied"|"unsupported"|"corrupt"|"invalid"|"miss"|"rejected" status of the items that rate selects
---@field rate? string share of items answered with status, 0 to 1
---@field die? string share of items at which the session breaks
---@field hang? string share of items without a reply until the deadline
---@field garbage? string share of items with an invalid reply
---@field truncate? string share of gets that bring half a value
---@field applied? boolean whether the target runs the items that then fail
---@field delay? weir.Time time added to each call
---@field jitter? weir.Time upper bound of a random time added to delay
---@field connect_failures? integer number of first connects that fail
---@field connect_rate? string share of the later connects that fail, 0 to 1
---@field connect_hang? boolean whether failing connects hang until they time out
---@field after? integer number of first items that meet no fault
---@field count? integer number of faults to inject; 0 = no limit
---@field match? string prefix of the keys that meet faults; default: all keys
---@field seed? integer the same seed gives the same faults
---@field events? boolean whether weir_ask makes it send events: changed KEY, lost, regained, break

---@class weir.fsStore: weir.EveryStoreOptions
---@field path string folder to keep values in
---@field create? boolean whether to make the folder when it is missing
---@field sync? "none"|"data"|"full" what a set waits for: nothing, its bytes on the disk, or its name, too
---@field verify? "always"|"never" when to check the bytes of a value against its checksum
---@field capacity? weir.Size disk to use at most, in blocks of 4 KiB; 0 = no limit
---@field ttl? weir.Time when a value expires that was set without a time to live; 0 = never
---@field fanout? "auto"|"16"|"256"|"4096"|"65536" directories to spread the files over, fixed when the folder is made; auto = as it was, or 256
---@field mode? string permissions of the files, in octal; directories get the same with x
---@field quarantine? integer damaged files to keep for a look; 0 = delete them
---@field on_full? "auto"|"evict"|"refuse" what a set does when the disk is full: evict the oldest values, or fail; auto = evict with a capacity
---@field direct? weir.Size read values of this size and more, over 68 KiB, past the page cache when they are not in it, for folders much larger than the memory; 0 = never

---@class weir.journalStore: weir.EveryStoreOptions
---@field path string folder of the files; it is made when it is missing
---@field sync? "none"|"data" when a set is answered: none = when the kernel has it; data = when the disk has it

---@class weir.lmdbStore: weir.EveryStoreOptions
---@field path string folder to keep the file in
---@field create? boolean whether to make the folder and the file when they are missing
---@field capacity? weir.Size size of the file at most; an eighth of it is kept free
---@field sync? "none"|"data" what a set waits for: nothing, or its bytes on the disk
---@field ttl? weir.Time when a value expires that was set without a time to live; 0 = never

---@class weir.luaStore: weir.EveryStoreOptions
---@field file string the policy file

---@class weir.memoryStore: weir.EveryStoreOptions
---@field capacity? weir.Size memory to use at most, with all that an entry needs
---@field capacity_items? integer entries to hold at most, within capacity; 0 = no limit
---@field eviction? "s3fifo"|"lru"|"sieve"|"fifo" which entry goes when the store is full
---@field exact? boolean whether eviction follows its paper to the letter, for simulations; an eviction may look at every entry
---@field bodies? boolean whether to keep the bytes of values; false = only their sizes, for simulations: a get answers zeros
---@field ttl? weir.Time when an entry expires that was set without a time to live; 0 = never
---@field shards? integer parts with a lock and a share of the capacity each, a power of two; 0 = one for each 256 MiB

---@class weir.nullStore: weir.EveryStoreOptions
---@field size? weir.Size length of the value of each get, with hit=true
---@field hit? boolean whether every key exists; false = no key exists

---@class weir.redisStore: weir.EveryStoreOptions
---@field host? string name or address of the server; of a cluster or of sentinels a list: h1:7000,h2
---@field port? integer port of the server
---@field socket? string a unix socket, instead of host and port
---@field user? string user to log in as (ACL)
---@field password? string password to log in with
---@field password_file? string file whose first line is the password, read when the store is opened
---@field db? integer number of the database
---@field client_name? string name in CLIENT LIST, empty = none
---@field ping? boolean send PING on connect, to check that Redis replies
---@field prefix? string added before each key
---@field ttl? weir.Time time to live of sets without one, 0 = no expiry
---@field read_timeout? weir.Time longest wait for data of a reply, 0 = no limit
---@field write_timeout? weir.Time longest wait until the server reads on, 0 = no limit
---@field keepalive? weir.Time idle time before TCP keepalive probes, 0 = none
---@field send_buffer? weir.Size SO_SNDBUF, 0 = the kernel's choice
---@field receive_buffer? weir.Size SO_RCVBUF, 0 = the kernel's choice
---@field multi? boolean use MGET, MSET and EXISTS for many small values
---@field tls? boolean use TLS, as rediss:// does
---@field verify? boolean check the server's certificate
---@field ca? string file or directory of certificates to trust
---@field cert? string file with the client's certificate
---@field key? string file with the client's key, if not in cert
---@field server_name? string name in the server's certificate, if not the host
---@field tracking? boolean learn which keys others change, for coherent (Redis 6)
---@field tracking_timeout? weir.Time tracking notices within this time that the server is gone
---@field cluster? boolean a Redis Cluster: ask these nodes for the others
---@field read? "master"|"replica"|"nearest" nodes of a cluster that gets go to
---@field master? string the master's name (NAME/DB), host being its sentinels
---@field sentinel_user? string user to log in to sentinels as
---@field sentinel_password? string password to log in to sentinels with
---@field sentinel_password_file? string file whose first line is the sentinel_password, read when the store is opened

---@class weir.shmStore: weir.EveryStoreOptions
---@field name? string name of the mapping, which is the file /dev/shm/weir.NAME
---@field path? string file of the mapping, instead of a name
---@field capacity? weir.Size memory to use, all of it taken when the mapping is made, and fixed; 0 = as it was, or 64MiB
---@field eviction? "auto"|"s3fifo"|"lru"|"sieve"|"fifo" which entry goes when a shard is full, fixed when the mapping is made; auto = as it was, or s3fifo
---@field shards? integer parts with a lock and a share of the capacity each, a power of two, fixed when the mapping is made; 0 = as it was, or one for each 64 MiB
---@field ttl? weir.Time when an entry expires that was set without a time to live; 0 = never
---@field create? boolean whether to make the mapping when it is missing
---@field destroy? boolean whether to remove the mapping's name when the store is closed; processes that have it open keep it
---@field mode? string permissions of a mapping that is made, in octal
---@field verify? "repaired"|"always" which values are checked against their checksum when they are read: those in a shard that was repaired after a crash, or all
---@field huge_pages? boolean whether to make a mapping that can have huge pages of 2 MiB, fixed when it is made; Linux from 5.14 on gives them on a tmpfs mounted with huge=advise, and the gauge huge_bytes says how many
---@field sigbus? boolean whether to handle the signal that a process gets when the file was shortened, so that an operation fails instead; false = the signal ends the process, or the program handles it

---@class weir
---@field KiB number
---@field MiB number
---@field GiB number
---@field TiB number
---@field fault fun(options: weir.faultStore?): weir.Store another connector, with injected faults
---@field fs fun(options: weir.fsStore?): weir.Store one file a value, in a folder
---@field journal fun(options: weir.journalStore?): weir.Store a folder of files that only grow, for write-back and spool
---@field lmdb fun(options: weir.lmdbStore?): weir.Store small values by the million, in one file of LMDB
---@field lua fun(options: weir.luaStore?): weir.Store a policy file: its tree as one store
---@field memory fun(options: weir.memoryStore?): weir.Store values in this process: sharded, bounded in bytes, with eviction
---@field null fun(options: weir.nullStore?): weir.Store keeps nothing
---@field redis fun(options: weir.redisStore?): weir.Store Redis, Valkey, KeyDB, Dragonfly over RESP
---@field shm fun(options: weir.shmStore?): weir.Store values in memory that the processes of a machine share
---@field age fun(seconds: weir.Time): weir.Predicate Yes to a key that was first seen so long ago.
---@field all fun(...: weir.Rule): weir.Predicate Yes if all of these predicates or functions say yes.
---@field always weir.Predicate Yes to every key.
---@field any fun(...: weir.Rule): weir.Predicate Yes if one of these predicates or functions says yes.
---@field back fun(given: weir.BackOptions): weir.Back The authority gets writes later, the newest of each key.
---@field below fun(share: number, of?: "capacity"|"queue"): weir.Predicate Yes while less than this share of the store's capacity or of its queue is in use. A store that does not tell counts as empty.
---@field bigger fun(bytes: weir.Size): weir.Predicate Yes to a value of more bytes than that.
---@field byop fun(given: table<string, weir.Store>): weir.Node Each op goes to the store that is named for it, for its group (reads, writes), or to default.
---@field bysize fun(given: weir.BysizeOptions): weir.Node Each value goes to the first store whose size limit it fits. A get tries the stores in order.
---@field cheaper fun(given: weir.CheaperOptions): weir.Predicate Yes if loading a value again takes less time than computing it.
---@field fail fun(status: string): weir.Node A store that answers every key with one status.
---@field failover fun(given: weir.FailoverOptions): weir.Node What the first store could not do goes to the next one. It never serves a value older than the last write.
---@field hits fun(n: integer, since?: "ever"|"resident"): weir.Predicate Yes to a key that was seen n times or more.
---@field maxsize fun(bytes: weir.Size): weir.Predicate Yes to a value of so many bytes or fewer.
---@field migrate fun(given: weir.MigrateOptions): weir.Node Requests go to one store until a moment and to another one afterwards. Around that moment writes also delete in the other one.
---@field mirror fun(given: weir.MirrorOptions): weir.Node The same values in every store. A write goes to all of them at once.
---@field never weir.Predicate No to every key.
---@field origin fun(fn: fun(keys: string[], req: weir.Request): table<string, any>?, any): weir.Node A store made of a function that loads values: the last tier of a tree.
---@field p fun(n: number): weir.Percentile The time within which n of 100 recent requests had their answer.
---@field percent fun(given: weir.PercentOptions): weir.Node A share of the keys goes to each store and the rest to the last one, by the hash of the key.
---@field policy fun(given: weir.PolicyOptions): weir.Node A word of your own: a store made of a function from request to reply.
---@field prob fun(p: number): weir.Predicate Yes by chance, with a probability of p.
---@field quota fun(given: weir.QuotaOptions): weir.Node A memory for each tenant, with a quota: a tenant over it evicts only its own values.
---@field route fun(given: table<string, weir.Store>|fun(key: string): weir.Store): weir.Node Each key goes to the store of the longest prefix that it begins with, or to default. route(fn) sends it to the store that fn(key) returns.
---@field shard fun(given: weir.ShardOptions): weir.Node Each key goes to the store that the hash of the key picks, or to several of them.
---@field tier fun(given: weir.TierOptions): weir.Node One store made of several, the fastest first, the authority last. A get goes down until a store has the value, and a copy goes up.
---@field tinylfu fun(given?: integer|weir.TinylfuOptions, more?: weir.TinylfuOptions): weir.Predicate Yes while 1/16 of the store is free, then to a key seen n times lately. Counts fade.
---@field warmup fun(given: weir.WarmupOptions): weir.Node An empty store in front of a full one. What the empty store lacks is read from the full one and copied.

---@class weir.Store
---@field admit fun(self: weir.Store, given: weir.Rule|(weir.Rule[]|weir.AdmitOptions)): weir.Node Only values that the predicates agree to are stored. A refused set is rejected, and an older copy is deleted.
---@field breaker fun(self: weir.Store, given?: weir.BreakerOptions): weir.Node Stops the calls to a store that keeps failing. After a pause it probes the store, and closes by itself when the store is well.
---@field checksum fun(self: weir.Store, given?: weir.ChecksumOptions): weir.Node The store below holds a checksum with each value. A damaged value is corrupt.
---@field chunk fun(self: weir.Store, given?: weir.Size|weir.ChunkOptions, more?: weir.ChunkOptions): weir.Node The store below holds large values in pieces, under keys of their own.
---@field coalesce fun(self: weir.Store, wait?: weir.Time): weir.Node Many readers of one key at the same time cause one read of the store.
---@field compress fun(self: weir.Store, given?: "zstd"|"lz4"|weir.CompressOptions, more?: weir.CompressOptions): weir.Node The store below holds compressed values.
---@field crypt fun(self: weir.Store, given: string|weir.CryptOptions, more?: weir.CryptOptions): weir.Node The store below holds encrypted values.
---@field deadline fun(self: weir.Store, seconds: weir.Time): weir.Node Limits the time of the whole operation, retries and queues included.
---@field delay fun(self: weir.Store, given: weir.Time|weir.DelayOptions, more?: weir.DelayOptions): weir.Node Waits before it passes a request on, as a slow store would.
---@field fault fun(self: weir.Store, given?: number|weir.FaultOptions, more?: weir.FaultOptions): weir.Node Answers a share of the keys with an error instead of reading the store.
---@field ghost fun(self: weir.Store, given: string|weir.GhostOptions, more?: weir.GhostOptions): weir.Node Shows the same traffic to another policy file whose stores keep no values, and counts what it would have done.
---@field hedge fun(self: weir.Store, given?: weir.HedgeOptions): weir.Node Sends a read again when its answer takes long, and takes the first good answer.
---@field limit fun(self: weir.Store, given?: integer|weir.LimitOptions, more?: weir.LimitOptions): weir.Node Limits the keys and bytes in flight, and the keys a second. What is over the limit waits in a queue or is skipped.
---@field meter fun(self: weir.Store, label: string): weir.Node Counts requests under a name that stays when the tree changes.
---@field negative fun(self: weir.Store, given?: weir.Time|weir.NegativeOptions, more?: weir.NegativeOptions): weir.Node Remembers misses, so that a key that is not there is not read again and again.
---@field pin fun(self: weir.Store, given: string|fun(key: string): boolean?|weir.PinOptions, more?: weir.PinOptions): weir.Node Keeps the values of some keys in a memory of their own, where other traffic does not evict them.
---@field prefix fun(self: weir.Store, text: string): weir.Node The store below sees every key with a prefix in front. A scan takes it off again.
---@field readonly fun(self: weir.Store): weir.Node Reads pass; set, delete and touch are denied.
---@field record fun(self: weir.Store, given: string|weir.RecordOptions, more?: weir.RecordOptions): weir.Node Writes each request and its answer to a file that weir replay reads. Requests do not wait for the file.
---@field retry fun(self: weir.Store, given?: integer|weir.RetryOptions, more?: weir.RetryOptions): weir.Node Repeats a request for the keys that another attempt may help, within a budget.
---@field serialize fun(self: weir.Store, given?: weir.SerializeOptions): weir.Node Values are tables: set takes them, get gives them back. The store below holds JSON.
---@field shadow fun(self: weir.Store, given: weir.Store|weir.ShadowOptions, more?: weir.ShadowOptions): weir.Node Shows a share of the traffic to another store as well. The replies are the first store's.
---@field spool fun(self: weir.Store, given: string|weir.SpoolOptions, more?: weir.SpoolOptions): weir.Node A delete that fails is written to a file, and sent again until the store has made it.
---@field tap fun(self: weir.Store, fn: fun(req: weir.Request, reply: weir.Reply)): weir.Node Calls a function with each request and its reply. The function changes neither.
---@field timeout fun(self: weir.Store, seconds: weir.Time): weir.Node Limits the time of each request. Keys without a reply by then get timeout.
---@field ttl fun(self: weir.Store, given?: weir.Time|weir.TtlOptions, more?: weir.TtlOptions): weir.Node Values that are set without a time to live get one. With stale, an expired value is served while one caller refreshes it.
