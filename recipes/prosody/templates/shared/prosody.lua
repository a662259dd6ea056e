-- Rendered by prose-ship: change the recipe or the site, not this file.
-- Runs one of Debian's programs of Prosody, whose folders are fixed when it is packaged, out of the tree where it lies now.
local tree = os.getenv("PROSE_SHIP_TREE")
local program = tree .. "/usr/bin/" .. table.remove(arg, 1)

local file = assert(io.open(program))
local text = file:read("a")
file:close()
text = text:gsub("^#![^\n]*", "", 1):gsub("\nCFG_(%u+)='(/[^'\n]*)'", function (name, folder)
	return ("\nCFG_%s=%q"):format(name, tree .. folder)
end)

arg[0] = program
assert(load(text, "@" .. program))(table.unpack(arg))
