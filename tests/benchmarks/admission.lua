-- What wrk sends, and counts: each request has a number, which the answer to it has too.
-- Arguments: milliseconds that a client waits before it asks again, how many clients there are, and the body, in which
-- COUNT stands for the number.
local ffi = require("ffi")
ffi.cdef("typedef struct { long s; long us; } moment; int gettimeofday(moment *, void *);")
local moment = ffi.new("moment")
local function now()
  ffi.C.gettimeofday(moment, nil)
  return tonumber(moment.s) * 1000 + tonumber(moment.us) / 1000
end

local pause, clients, body, waits, n, asked, threads = 0, 0, "", 0, 0, {}, {}
answered, refused, others, unsaid, took, runs = 0, 0, 0, 0, {}, {}

function setup(thread) table.insert(threads, thread) end

function init(args)
  pause, clients, body = tonumber(args[1]), tonumber(args[2]), args[3]
  if pause == 0 then delay = nil end -- with it, each request waits for a timer
end

-- clients begin one after the other, and wait a tenth more or less: or all would come in step
function delay()
  waits = waits + 1
  if waits <= clients then return math.floor(pause * waits / clients) end
  return math.floor(pause * (0.9 + 0.2 * math.random()))
end

function request()
  n = n + 1
  asked[n] = now()
  return wrk.format("POST", "/runs", {["content-type"] = "application/json"}, (body:gsub("COUNT", n)))
end

function response(status, headers, body)
  if status == 200 then
    answered = answered + 1
    table.insert(took, now() - asked[tonumber(body:match('"text": ?"(%d+)"'))])
    table.insert(runs, body:match('"run_id": ?("[^"]*")'))
  elseif status == 429 then
    refused = refused + 1
    if (tonumber(headers["retry-after"]) or 0) < 1 then unsaid = unsaid + 1 end
  else
    others = others + 1
  end
end

function done(summary, latency, requests)
  local thread, errors = threads[1], summary.errors
  local lost = errors.connect + errors.read + errors.write + errors.timeout
  local parts = {'"lost": ' .. lost, '"seconds": ' .. summary.duration / 1e6}
  table.insert(parts, '"p50_ms": ' .. latency:percentile(50) / 1e3)
  for _, name in ipairs({"answered", "refused", "others", "unsaid"}) do
    table.insert(parts, '"' .. name .. '": ' .. thread:get(name))
  end
  table.insert(parts, '"runs": [' .. table.concat(thread:get("runs"), ", ") .. "]")
  table.insert(parts, '"took_ms": [' .. table.concat(thread:get("took"), ", ") .. "]")
  io.write("\n{" .. table.concat(parts, ", ") .. "}\n")
end
