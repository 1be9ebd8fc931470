-- Tables, strings, closures, coroutines and the collector of Lua. Usage: tables.lua FILE

local function words(name)
    local count, order = {}, {}
    for line in io.lines(name) do
        for word in line:gmatch("%a+") do
            if not count[word] then
                order[#order + 1] = word
            end
            count[word] = (count[word] or 0) + 1
        end
    end
    table.sort(order, function(a, b)
        return count[a] > count[b] or count[a] == count[b] and a < b
    end)
    for i = 1, 20 do
        print(order[i], count[order[i]])
    end
    return order
end

local function checksum(text)
    local sum = 0
    for i = 1, #text do
        sum = (sum * 31 + text:byte(i)) % 2147483647
    end
    return sum
end

local function strings(order)
    local parts = {}
    for i, word in ipairs(order) do
        parts[i] = word:upper():gsub("[AEIOU]", { A = "4", E = "3", I = "1", O = "0" }) .. word:rep(i % 17)
    end
    local text = table.concat(parts, ";")
    print(#text, checksum(text))
    local reversed = {}
    for part in text:gmatch("[^;]+") do
        table.insert(reversed, part:reverse())
    end
    print(checksum(table.concat(reversed)))
end

local function tree(depth)
    if depth == 0 then
        return { value = 1 }
    end
    return { left = tree(depth - 1), right = tree(depth - 1), value = depth, name = "node" .. depth }
end

local function total(node)
    return node and node.value + total(node.left) + total(node.right) or 0
end

local function trees()
    local sum = 0
    for _ = 1, 12 do
        sum = sum + total(tree(14))
    end
    collectgarbage()
    print(sum)
end

local function coroutines()
    local sum = 0
    for i = 1, 20000 do
        local step = coroutine.wrap(function()
            for j = 1, 5 do
                coroutine.yield(i * j)
            end
        end)
        sum = sum + step() + step()
    end
    print(sum)
end

local function churn()
    local held, sum = {}, 0
    for i = 1, 1000000 do
        local slot = i * 7919 % 50021
        held[slot] = { i, tostring(i), held[(slot + 1) % 50021] and i or nil }
        if i % 5 == 0 then
            held[i * 31 % 50021] = nil
        end
    end
    for i = 0, 50021 do
        sum = sum + (held[i] and held[i][1] or 0)
    end
    print(sum)
end

local order = words(arg[1])
strings(order)
trees()
coroutines()
churn()
