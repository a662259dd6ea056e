#!/usr/bin/env lua5.4
-- Renames the hosts of a Prosody that does not run, with all that it keeps in files or SQLite:
--   rename-domain OLD=NEW...      one for each host of the server, OLD=OLD for those that keep their names
-- Rewritten are host names and addresses (JIDs) that stand alone: keys and values of records, attributes and texts of
-- stanzas. What people wrote stays as they wrote it. Passwords do not depend on the name (RFC 5802: salt and iterations).
-- It cannot be repeated after it was interrupted: copy the data first.

local library = os.getenv("PROSE_SHIP_PROSODY") or "/usr/lib/prosody"
package.path = library .. "/?.lua;" .. package.path
package.cpath = library .. "/?.so;" .. package.cpath
require "loader"

local lfs = require "lfs"
local jid = require "prosody.util.jid"
local serialize = require "prosody.util.serialization".serialize

local data_path = os.getenv("PROSE_SHIP_DATA") or "/var/lib/prosody"
local new_name, is_new = {}, {}

local function fail(message)
    io.stderr:write("rename-domain: ", message, "\n")
    os.exit(1)
end

for _, pair in ipairs(arg) do
    local old, new = pair:match("^([%w.-]+)=([%w.-]+)$")
    if not old then fail("'" .. pair .. "' is not OLD=NEW") end
    new_name[old] = new
    if old ~= new then is_new[new] = old end
end
if not next(new_name) then fail("no OLD=NEW is given") end

-- The address under its new name, or nil where it stays.
local function renamed(text)
    if type(text) ~= "string" then return nil end
    local node, host, resource = jid.split(text)
    local new = host and new_name[host]
    if new and new ~= host then return jid.join(node, new, resource) end
end

-- What a person wrote: elements of stanzas, attributes and fields (of contacts and rooms, say).
local written = { body = true, subject = true, name = true, groups = true, description = true }
local changes

local function rename_text(text)
    local new = renamed(text)
    if new then changes = changes + 1 end
    return new or text
end

-- A stanza, as a table or as Prosody parses it: attributes, and texts that stand alone in their element.
local function rename_stanza(stanza)
    for name, value in pairs(stanza.attr) do
        if not written[name] then stanza.attr[name] = rename_text(value) end
    end
    for index, child in ipairs(stanza) do
        if type(child) == "table" then
            rename_stanza(child)
        elseif #stanza == 1 and not written[stanza.name] then
            stanza[index] = rename_text(child)
        end
    end
end

local function is_stanza(value)
    return type(value.name) == "string" and type(value.attr) == "table"
end

local function rename_value(value)
    if type(value) ~= "table" then return rename_text(value) end
    if next(value) == nil then return value end
    local result = setmetatable({}, getmetatable(value))
    if is_stanza(value) then
        rename_stanza(value)
        for key, part in pairs(value) do
            -- An archive notes its own fields beside those of the stanza.
            local own = type(key) == "string" and key ~= "name" and key ~= "attr"
            result[key] = own and rename_value(part) or part
        end
    else
        for key, part in pairs(value) do result[rename_text(key)] = written[key] and part or rename_value(part) end
    end
    return result
end

-- Contacts on other servers, who know people by their old addresses.
local strangers, accounts = 0, 0
local function count_strangers(roster)
    for contact, entry in pairs(roster) do
        local host = type(contact) == "string" and select(2, jid.split(contact))
        if host and not new_name[host] and not is_new[host] and type(entry) == "table" and entry.subscription ~= "none" then strangers = strangers + 1 end
    end
end

--------------------------------------------------------------------------------------------------------------- files

local function encode(text)
    return (text:gsub("%W", function(c) return ("%%%02x"):format(c:byte()) end))
end

local function write(path, parts)
    local file = assert(io.open(path .. "~", "w"))
    assert(file:write(table.concat(parts)))
    assert(file:close())
    assert(os.rename(path .. "~", path))
end

local function read(path, environment)
    local file = assert(io.open(path))
    local text = file:read("a")
    file:close()
    return assert(load(text, "@" .. path, "t", environment))()
end

local function rename_record(path, store)
    changes = 0
    local data = read(path, {})
    if type(data) ~= "table" then return end
    if store == "roster" then count_strangers(data) end
    data = rename_value(data)
    if changes > 0 then write(path, { "return ", serialize(data), ";\n" }) end
end

local function rename_list(path)
    changes = 0
    local parts = {}
    read(path, { item = function(item) parts[#parts + 1] = "item(" .. serialize(rename_value(item)) .. ");\n" end })
    if changes == 0 then return end
    -- The index tells where items begin; Prosody makes it anew.
    os.remove((path:gsub("%.list$", ".lidx")))
    write(path, parts)
end

local function rename_folder(folder, store)
    for name in lfs.dir(folder) do
        local path = folder .. "/" .. name
        if name:sub(1, 1) == "." then
            goto continue
        elseif lfs.attributes(path, "mode") == "directory" then
            rename_folder(path, name)
        elseif name:match("%.dat$") then
            if store == "accounts" then accounts = accounts + 1 end
            rename_record(path, store)
        elseif name:match("%.list$") then
            rename_list(path)
        end
        ::continue::
    end
end

local function is_folder(path)
    return lfs.attributes(path, "mode") == "directory"
end

local function rename_files()
    for new, old in pairs(is_new) do
        if is_folder(data_path .. "/" .. encode(new)) then
            fail(("there is data of %s already, in %s/%s of the data of the server: move it away, or keep the name %s"):format(new, data_path, encode(new), old))
        end
    end
    for old, new in pairs(new_name) do
        local from, to = data_path .. "/" .. encode(old), data_path .. "/" .. encode(new)
        if is_folder(from) then
            if from ~= to then assert(os.rename(from, to)) end
            rename_folder(to)
        end
    end
end

-------------------------------------------------------------------------------------------------------------- SQLite

local codecs = {
    string = { decode = function(text) return text end, encode = function(value) return value end },
    json = {
        decode = function(text) return (assert(require "prosody.util.json".decode(text))) end,
        encode = function(value) return (assert(require "prosody.util.json".encode(value))) end,
    },
    xml = { decode = function(text) return (assert(require "prosody.util.xml".parse(text))) end, encode = tostring },
}

local function rename_encoded(kind, text)
    local codec = codecs[kind]
    if not codec then return text end
    local before = changes
    local value = codec.decode(text)
    if kind == "xml" then rename_stanza(value) else value = rename_value(value) end
    return changes > before and codec.encode(value) or text
end

-- Reads a table in pieces, so that a large archive does not have to fit into memory. `partner` is its column of addresses.
local function rename_rows(engine, name, partner)
    local piece = 500
    local select_rows = ([[SELECT rowid, "store", "key", "type", "value", %s FROM "%s" WHERE "host" = ? AND rowid > ? ORDER BY rowid LIMIT %d]]):format(partner or "''", name, piece)
    local update = ([[UPDATE "%s" SET "key" = ?, "value" = ?%s WHERE rowid = ?]]):format(name, partner and (", " .. partner .. " = ?") or "")
    for old in pairs(new_name) do
        local last, count = 0, nil
        repeat
            count = 0
            for row in engine:select(select_rows, old, last) do
                local id, store, key, kind, value, address = table.unpack(row)
                count, last, changes = count + 1, id, 0
                if store == "roster" and kind == "json" then count_strangers({ [key] = codecs.json.decode(value) }) end
                local values = { rename_text(key), rename_encoded(kind, value), partner and rename_text(address) or id, partner and id or nil }
                if changes > 0 then engine:update(update, table.unpack(values)) end
            end
        until count < piece
    end
end

local function rename_database(path)
    local engine = require "prosody.util.sql":create_engine({ driver = "SQLite3", database = path }, function() end, function() end)
    local done, problem = engine:transaction(function()
        for new, old in pairs(is_new) do
            for row in engine:select([[SELECT COUNT(*) FROM "prosody" WHERE "host" = ?]], new) do
                if tonumber(row[1]) > 0 then error(("there is data of %s already, in the database: remove it, or keep the name %s"):format(new, old), 0) end
            end
        end
        for host in pairs(new_name) do
            for row in engine:select([[SELECT COUNT(DISTINCT "user") FROM "prosody" WHERE "host" = ? AND "store" = 'accounts']], host) do
                accounts = accounts + tonumber(row[1])
            end
        end
        rename_rows(engine, "prosody")
        rename_rows(engine, "prosodyarchive", [["with"]])
        for old, new in pairs(new_name) do
            for _, name in ipairs({ "prosody", "prosodyarchive" }) do engine:update(([[UPDATE "%s" SET "host" = ? WHERE "host" = ?]]):format(name), new, old) end
        end
    end)
    if not done then fail("the database " .. path .. ": " .. tostring(problem)) end
end

rename_files()
local database = data_path .. "/prosody.sqlite"
if lfs.attributes(database, "mode") == "file" then rename_database(database) end

local told = {}
for new, old in pairs(is_new) do told[#told + 1] = old .. " is " .. new end
table.sort(told)
print(("%s: %d accounts, with their passwords, contacts and archives"):format(table.concat(told, ", "), accounts))
if strangers > 0 then
    print(("%d contacts on other servers still know the old addresses: each of these people must add the new ones"):format(strangers))
end
