-- The story of examples/replay: what is recorded replays, the sweep finds a better
-- size, and its ghost foretells what it does when it serves.

local shell = require "shell"


describe("examples/replay", function()
  it("records, replays, sweeps, and reloads what the ghost foretold", function()
    local folder = shell.folder()
    local code, out, err = shell.run("examples/replay/run " .. folder, nil, 300)
    shell.remove(folder)
    assert.equal(0, code, err)
    local served = tonumber(out:match "served 3000 requests: ([%d.]+) %%")
    local replayed = tonumber(out:match "\nhits +([%d.]+) %%")
    assert.near(served, replayed, 0.5)
    assert.matches("\n[^\n]+ %* knee\n", out)
    local before = tonumber(out:match "the file that serves +([%d.]+) %%")
    local ghost = tonumber(out:match "a ghost +([%d.]+) %%")
    local reloaded = tonumber(out:match "reloaded +([%d.]+) %% of")
    assert.is_true(ghost > before + 5, out)
    assert.near(ghost, reloaded, 2)
  end)
end)
