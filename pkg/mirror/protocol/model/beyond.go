package model

// beyondModel is a situation outside the assumptions; violated says whether the rules are known not to survive it.
type beyondModel struct {
	Config
	violated bool
}

func beyondModels() []beyondModel {
	lostAck := func(c *Config) { c.Faults.Losses, c.Faults.Crashes, c.HaltIsFine = 1, 1, true }
	storeLost := func(c *Config) { c.Faults.StoreLosses, c.SaveAtOnce = 1, false }
	return []beyondModel{
		{with("beyond/careful-both-own", aged, func(c *Config) { c.Lease, c.Faults.Handovers = noLease, 0 }), true},
		{with("beyond/careful-slow-loser", aged, func(c *Config) { c.Old, c.SlowLoser = 0b100, true }), true},
		{with("beyond/compacted-old-both-own", shrunk, func(c *Config) { c.Old = 0b111 }), true},
		{with("beyond/acked-lost-unnoticed", young, alone, lostAck, func(c *Config) { c.Broken = noTruncationCheck }), true},
		{with("beyond/acked-lost-noticed", young, alone, lostAck), false},
		{with("beyond/recreated-unnoticed", young, alone, lostAck, func(c *Config) { c.Recreated, c.Broken = true, noTruncationCheck }), true},
		{with("beyond/recreated-noticed", young, alone, lostAck, func(c *Config) { c.Recreated = true }), false},
		{with("beyond/store-lost-plain", young, alone, storeLost), false},
		{with("beyond/store-lost-pool", aged, storeLost), false},
		{with("beyond/store-lost-compacted", shrunk, alone, storeLost), true},
	}
}

func beyond() []Config {
	var all []Config
	for _, b := range beyondModels() {
		all = append(all, b.Config)
	}
	return all
}
