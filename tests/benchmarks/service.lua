-- What wrk sends: the same request again and again, but for COUNT in its body, which is a new number each time.
-- Arguments: the body; the status that is expected; the number before the first.
local body, expected, n = "", 0, 0
right, wrong, threads = 0, 0, {}

function setup(thread) table.insert(threads, thread) end

function init(args) body, expected, n = args[1], tonumber(args[2]), tonumber(args[3]) end

function request()
  n = n + 1
  return wrk.format("POST", nil, {["content-type"] = "application/json"}, (body:gsub("COUNT", string.format("%d", n))))
end

function response(status)
  if status == expected then right = right + 1 else wrong = wrong + 1 end
end

function done(summary)
  local thread, errors = threads[1], summary.errors
  local lost = errors.connect + errors.read + errors.write + errors.timeout
  io.write("\n{\"right\": " .. thread:get("right") .. ", \"wrong\": " .. thread:get("wrong") + lost .. "}\n")
end
