-- Repeats the request in a file, with each {value} replaced by a random line of a second file.
-- Arguments: the two files, the average pause of a connection in milliseconds (0: none), and
-- optionally a text that every response must contain. After init, wrk checks whether the functions
-- delay and response exist, so they cost time only if init defines them.
local PLACEHOLDER = '{value}'
local parts, values = {}, {}
local threads = {}
unexpected = 0

local function read(path)
  local file = assert(io.open(path, 'rb'))
  local text = file:read('*a')
  file:close()
  return text
end

local function split(text)
  local position = 1
  while true do
    local from, to = text:find(PLACEHOLDER, position, true)
    if from == nil then break end
    parts[#parts + 1] = text:sub(position, from - 1)
    position = to + 1
  end
  parts[#parts + 1] = text:sub(position)
end

local function pauseFor(average)
  if average == 0 then return end
  function delay() return math.floor(-average * math.log(1 - math.random()) + 0.5) end
end

local function expect(text)
  if text == nil then return end
  function response(_, _, body)
    if not body:find(text, 1, true) then unexpected = unexpected + 1 end
  end
end

function setup(thread)
  threads[#threads + 1] = thread
end

function init(args)
  math.randomseed(os.time())
  split(read(args[1]))
  for line in io.lines(args[2]) do values[#values + 1] = line end
  pauseFor(tonumber(args[3]))
  expect(args[4])
end

function request()
  return table.concat(parts, values[math.random(#values)])
end

function done(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  for _, thread in ipairs(threads) do failed = failed + thread:get('unexpected') end
  io.write(string.format(
    'RESULT {"requests":%d,"requestsPerSecond":%f,"errors":%d,"p50Ms":%f,"p99Ms":%f,"p999Ms":%f}\n',
    summary.requests, summary.requests / summary.duration * 1e6, failed,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency:percentile(99.9) / 1e3
  ))
end
