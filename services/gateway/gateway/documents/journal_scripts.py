"""Lua scripts of the document journal.

``KEYS[1]`` is the tenant's hash of entries, ``KEYS[2]`` its hash of failures. All times come from Redis'
clock.
"""

__all__ = ["ACQUIRE", "COMMIT", "LIST_DUE", "READ", "RELEASE", "RENEW"]

ENTRY_TTL_SECONDS = 90 * 24 * 3600
"""Time to live of a tenant's entries after the last change to them."""

_ENTRY = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function is_held(entry) return entry.token ~= '' and entry.expires > now end
local function read(id)
  local found = redis.call('HGET', KEYS[1], id)
  return found and cjson.decode(found) or {token = '', expires = 0, due = 0, intent = ''}, found
end
local function write(id, entry)
  redis.call('HSET', KEYS[1], id, cjson.encode(entry))
  redis.call('EXPIRE', KEYS[1], $RETENTION)
end
""".replace("$RETENTION", str(ENTRY_TTL_SECONDS))
"""Common part of the scripts. An entry has four fields.

``token`` identifies the lease holder, empty without a holder, and ``expires`` the end of the lease in ms.
``due`` is the earliest repair in ms. ``intent`` is the write to complete, empty before the write's first
change."""

# ARGV: document id, token, milliseconds of the lease, 1 for a repair
ACQUIRE = f"""{_ENTRY}
local entry, found = read(ARGV[1])
if is_held(entry) or ARGV[4] == '1' and (not found or entry.due > now) then return {{0, ''}} end
entry.token, entry.expires = ARGV[2], now + ARGV[3]
write(ARGV[1], entry)
return {{1, entry.intent}}
"""

# ARGV: document id, token, milliseconds of the lease, new intent (optional)
RENEW = f"""{_ENTRY}
local entry = read(ARGV[1])
if entry.token ~= ARGV[2] then return 0 end
entry.expires = now + ARGV[3]
if ARGV[4] then entry.intent = ARGV[4] end
write(ARGV[1], entry)
return 1
"""

# ARGV: document id, token, milliseconds until a repair (if the write changed something)
RELEASE = f"""{_ENTRY}
local entry = read(ARGV[1])
if entry.token ~= ARGV[2] then return 0 end
if entry.intent == '' then return redis.call('HDEL', KEYS[1], ARGV[1]) end
entry.token = ''
if ARGV[3] then entry.due = now + ARGV[3] end
write(ARGV[1], entry)
return 1
"""

# ARGV: document id, token, failure (or empty)
COMMIT = f"""{_ENTRY}
if read(ARGV[1]).token ~= ARGV[2] then return 0 end
redis.call('HDEL', KEYS[1], ARGV[1])
if ARGV[3] == '' then
  redis.call('HDEL', KEYS[2], ARGV[1])
else
  redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
  redis.call('EXPIRE', KEYS[2], {ENTRY_TTL_SECONDS})
end
return 1
"""

# ARGV: document ids
READ = f"""{_ENTRY}
local intents, failures = {{}}, redis.call('HMGET', KEYS[2], unpack(ARGV))
for i, id in ipairs(ARGV) do
  local entry = read(id)
  intents[i] = is_held(entry) and entry.intent or ''
  failures[i] = failures[i] or ''
end
return {{intents, failures}}
"""

# ARGV: maximum number of documents
LIST_DUE = f"""{_ENTRY}
local entries, due = redis.call('HGETALL', KEYS[1]), {{}}
for i = 1, #entries, 2 do
  local entry = cjson.decode(entries[i + 1]) if #due < tonumber(ARGV[1]) and not is_held(entry) and entry.due
  <= now then table.insert(due, entries[i]) end
end
return {{#entries / 2, due}}
"""
