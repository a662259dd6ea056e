-- Stand-in for the modules that Prose brings: it only says that it was loaded.
module:log("info", "a module of the source tree was loaded")
