package model

// young is the base of the fresh regime: both instances believe that they own for ever, requests land late, and all
// records are young.
func young(c *Config) {
	c.N, c.MaxBatch, c.Window, c.Cache, c.MaxEpoch, c.Orphans, c.SaveAtOnce = 3, 2, 2, 2, 5, 1, true
}

// aged is the base of the careful regime: some records are older than the producer expiry, and a lease says who sends.
func aged(c *Config) {
	young(c)
	c.Old, c.Lease, c.Faults.Handovers = 0b110, atomicLease, 1
}

// alone is one instance with its own former runs as the only zombies.
func alone(c *Config) {
	c.Solo, c.Lease, c.Faults.Handovers, c.Faults.Crashes, c.Orphans = true, noLease, 0, 2, 2
}

// shrunk is the base for compacted sources: keys x y x.
func shrunk(c *Config) {
	young(c)
	c.Compacted, c.Keys, c.Faults.Cleanings, c.MaxEpoch, c.Window = true, [8]uint8{0, 1, 0}, 1, 3, 1
}

func replicas(c *Config) { c.Replicated, c.Faults.Elections, c.WatermarkLag, c.Window = true, 1, 1, 1 }

// with turns a list of changes into a model.
func with(name string, changes ...func(*Config)) Config {
	c := Config{Name: name}
	for _, f := range changes {
		f(&c)
	}
	return c
}

// models are the situations in which the rules must hold, the small ones first.
func models() []Config {
	return append(append(carefulModels(), freshModels()...), compactedModels()...)
}

func freshModels() []Config {
	return []Config{
		with("fresh/alone-refusals", young, alone, func(c *Config) { c.Faults.Crashes, c.Faults.Refusals = 1, 2 }),
		with("fresh/first-start-alone", young, alone, func(c *Config) { c.FirstStart, c.SaveAtOnce = true, false }),
		with("fresh/alone-shed", young, alone, func(c *Config) { c.Faults.Crashes, c.Faults.Refusals, c.Faults.Restarts, c.Shed = 1, 1, 1, true }),
		with("fresh/alone", young, alone, replicas, func(c *Config) { c.Faults.Crashes, c.Faults.Restarts, c.Faults.Refusals, c.Window = 1, 1, 1, 2 }),
		with("fresh/first-start", young, func(c *Config) { c.FirstStart, c.SaveAtOnce, c.Faults.Crashes = true, false, 1 }),
		with("fresh/saves", young, func(c *Config) { c.SaveAtOnce, c.Faults.Crashes = false, 1 }),
		with("fresh/replicas", young, replicas),
		with("fresh/cuts", young, func(c *Config) { c.Faults.Restarts, c.MaxBatch, c.N = 1, 3, 4 }),
		with("fresh/shed", young, func(c *Config) { c.Faults.Restarts, c.Faults.Refusals, c.Shed = 1, 1, true }),
		with("fresh/frozen", young, func(c *Config) { c.Lease, c.Faults.Handovers = checkThenSend, 2 }),
	}
}

func carefulModels() []Config {
	return append([]Config{
		with("careful/alone", aged, alone),
		with("careful/alone-all-old", aged, alone, func(c *Config) { c.Old = 0b111 }),
		with("careful/alone-mixed", aged, alone, func(c *Config) { c.Old = 0b010 }),
		with("careful/alone-late-old", aged, alone, func(c *Config) { c.Old, c.N = 0b1000, 4 }),
		with("careful/alone-refusals", aged, alone, func(c *Config) { c.Old, c.N, c.Faults.Refusals, c.Faults.Crashes = 0b1000, 4, 1, 1 }),
		with("careful/alone-refusals-old", aged, alone, func(c *Config) { c.Old, c.Faults.Refusals = 0b011, 1 }),
		with("careful/alone-replicas", aged, alone, replicas),
		with("careful/alone-shed", aged, alone, func(c *Config) { c.Faults.Refusals, c.Shed = 1, true }),
		with("careful/alone-shed-mixed", aged, alone, func(c *Config) { c.Old, c.Faults.Refusals, c.Shed = 0b010, 1, true }),
		with("careful/alone-shed-replicas", aged, alone, replicas, func(c *Config) { c.Shed = true }),
		with("careful/idle-day-alone", aged, alone, func(c *Config) { c.Old, c.Faults.Days = 0, 1 }),
	}, poolModels()...)
}

func poolModels() []Config {
	return []Config{
		with("careful/pool-late-old", aged, func(c *Config) { c.Old, c.N, c.MaxBatch = 0b0100, 4, 1 }),
		with("careful/pool-mixed", aged, func(c *Config) { c.Old, c.Faults.Handovers = 0b010, 2 }),
		with("careful/pool-all-old", aged, func(c *Config) { c.Old, c.Faults.Handovers = 0b111, 2 }),
		with("careful/pool-old-first", aged, func(c *Config) { c.Old, c.Faults.Handovers = 0b001, 2 }),
		with("careful/pool-replicas", aged, replicas),
		with("careful/pool", aged, func(c *Config) { c.Faults.Handovers, c.Faults.Crashes = 2, 1 }),
		with("careful/pool-saves", aged, func(c *Config) { c.SaveAtOnce, c.Faults.Crashes = false, 1 }),
		with("careful/pool-shed", aged, func(c *Config) { c.Faults.Handovers, c.Faults.Refusals, c.Shed = 2, 1, true }),
		with("careful/pool-shed-mixed", aged, func(c *Config) { c.Old, c.Faults.Handovers, c.Faults.Refusals, c.Shed = 0b010, 2, 1, true }),
		with("careful/pool-first-start", aged, func(c *Config) {
			c.FirstStart, c.SaveAtOnce, c.Faults.Handovers, c.Faults.Crashes = true, false, 2, 1
		}),
		with("careful/idle-day", aged, func(c *Config) { c.Old, c.Faults.Days = 0, 1 }),
		with("careful/frozen", aged, func(c *Config) { c.Lease, c.Faults.Handovers = checkThenSend, 2 }),
		with("careful/frozen-mixed", aged, func(c *Config) { c.Lease, c.Faults.Handovers, c.Old = checkThenSend, 2, 0b010 }),
	}
}

func compactedModels() []Config {
	pool := func(old recs) func(*Config) {
		return func(c *Config) { c.Old, c.Lease, c.Faults.Handovers = old, atomicLease, 1 }
	}
	return []Config{
		with("compacted/alone", shrunk, alone, func(c *Config) { c.Faults.Crashes, c.Orphans, c.Window, c.Faults.Restarts = 1, 1, 2, 1 }),
		with("compacted/alone-saves", shrunk, alone, func(c *Config) { c.Orphans, c.SaveAtOnce, c.MaxEpoch = 1, false, 4 }),
		with("compacted/replicas", shrunk, replicas, func(c *Config) { c.N, c.Keys, c.Faults.Cleanings = 2, [8]uint8{}, 1 }),
		with("compacted/old-pool", shrunk, pool(0b111)),
		with("compacted/old-pool-mixed", shrunk, pool(0b010)),
		with("compacted/old-pool-first", shrunk, pool(0b001)),
		with("compacted/zombie", shrunk),
		with("compacted/zombie-saves", shrunk, func(c *Config) { c.SaveAtOnce = false }),
		with("compacted/zombie-crash", shrunk, func(c *Config) { c.Faults.Crashes = 1 }),
	}
}

// wideModels have wider bounds; each takes minutes and gigabytes.
func wideModels() []Config {
	return []Config{
		with("wide/careful-pool", aged, func(c *Config) {
			c.N, c.Old, c.Faults.Handovers, c.Faults.Crashes, c.Orphans, c.SaveAtOnce = 4, 0b0110, 2, 1, 2, false
		}),
		with("wide/careful-pool-replicas", aged, replicas, func(c *Config) {
			c.Faults.Handovers, c.Faults.Elections, c.Orphans, c.Window, c.Old = 2, 2, 2, 2, 0b010
		}),
		with("wide/careful-pool-shed", aged, replicas, func(c *Config) { c.Faults.Handovers, c.Orphans, c.Window, c.Shed = 2, 2, 2, true }),
		with("wide/fresh-replicas", young, replicas, func(c *Config) { c.Window, c.Faults.Crashes = 2, 1 }),
		with("wide/fresh", young, func(c *Config) { c.Orphans, c.Faults.Restarts, c.Faults.Crashes = 2, 1, 1 }),
		with("wide/compacted", shrunk, func(c *Config) { c.N, c.Keys, c.Faults.Crashes = 4, [8]uint8{0, 1, 0, 1}, 0 }),
	}
}
