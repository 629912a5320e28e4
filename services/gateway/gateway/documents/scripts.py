"""What Redis does in one step for :mod:`.journal`.

``KEYS[1]`` is the tenant's hash of entries, ``KEYS[2]`` its hash of failures; the clock is Redis' own.
"""

__all__ = ["DUE", "KEEP", "LOOK", "RELEASE", "SETTLE", "TAKE"]

KEEP_SECONDS = 90 * 24 * 3600
"""How long a tenant's entries outlive the last change to them."""

ENTRY = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function live(entry) return entry.token ~= '' and entry.expires > now end
local function read(id)
  local found = redis.call('HGET', KEYS[1], id)
  return found and cjson.decode(found) or {token = '', expires = 0, due = 0, note = ''}, found
end
local function write(id, entry)
  redis.call('HSET', KEYS[1], id, cjson.encode(entry))
  redis.call('EXPIRE', KEYS[1], $KEEP)
end
""".replace("$KEEP", str(KEEP_SECONDS))
"""An entry: whose it is (``token``, empty for nobody's) and until when (``expires``, ms), when a repair may
look at it (``due``, ms), and what there is to do (``note``; empty as long as nothing was changed)."""

# ARGV: document id, token, milliseconds of the lease, 1 for a repair
TAKE = f"""{ENTRY}
local entry, found = read(ARGV[1])
if live(entry) or ARGV[4] == '1' and (not found or entry.due > now) then return {{0, ''}} end
entry.token, entry.expires = ARGV[2], now + ARGV[3]
write(ARGV[1], entry)
return {{1, entry.note}}
"""

# ARGV: document id, token, milliseconds of the lease, note (if it is to change)
KEEP = f"""{ENTRY}
local entry = read(ARGV[1])
if entry.token ~= ARGV[2] then return 0 end
entry.expires = now + ARGV[3]
if ARGV[4] then entry.note = ARGV[4] end
write(ARGV[1], entry)
return 1
"""

# ARGV: document id, token, milliseconds until a repair (if something changed)
RELEASE = f"""{ENTRY}
local entry = read(ARGV[1])
if entry.token ~= ARGV[2] then return 0 end
if entry.note == '' then return redis.call('HDEL', KEYS[1], ARGV[1]) end
entry.token = ''
if ARGV[3] then entry.due = now + ARGV[3] end
write(ARGV[1], entry)
return 1
"""

# ARGV: document id, token, failure (or empty)
SETTLE = f"""{ENTRY}
if read(ARGV[1]).token ~= ARGV[2] then return 0 end
redis.call('HDEL', KEYS[1], ARGV[1])
if ARGV[3] == '' then
  redis.call('HDEL', KEYS[2], ARGV[1])
else
  redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
  redis.call('EXPIRE', KEYS[2], {KEEP_SECONDS})
end
return 1
"""

# ARGV: document ids
LOOK = f"""{ENTRY}
local notes, failures = {{}}, redis.call('HMGET', KEYS[2], unpack(ARGV))
for i, id in ipairs(ARGV) do
  local entry = read(id)
  notes[i] = live(entry) and entry.note or ''
  failures[i] = failures[i] or ''
end
return {{notes, failures}}
"""

# ARGV: most documents
DUE = f"""{ENTRY}
local entries, due = redis.call('HGETALL', KEYS[1]), {{}}
for i = 1, #entries, 2 do
  local entry = cjson.decode(entries[i + 1])
  if #due < tonumber(ARGV[1]) and not live(entry) and entry.due <= now then table.insert(due, entries[i]) end
end
return {{#entries / 2, due}}
"""
