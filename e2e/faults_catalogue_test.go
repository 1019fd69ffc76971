package e2e_test

// catalogue returns every row of the catalogue of faults: what happens, what must be true then, and how it is made.
func catalogue() []trial {
	var all []trial
	for _, group := range [][]trial{sourceFaults(), destinationFaults(), mirrorFaults(), networkFaults(), configurationFaults(), ownershipFaults()} {
		all = append(all, group...)
	}
	return all
}

func networkFaults() []trial {
	return []trial{
		{id: "N1", fault: "either hop cut, or silent one way", expected: "noticed and resumed within 30 s", fast: true, run: cutsEachWay},
		{id: "N2", fault: "black hole without a reset", expected: "noticed within 45 s", run: blackHoles},
		{id: "N3", fault: "storm of resets, sliced streams, connections that die after 300 KiB", expected: "retried, nothing doubled", fast: true, run: resetStorm},
		{id: "N4", fault: "300 ms and 10 Mbit/s", expected: "80 % of the line used", run: longThinLine},
		{id: "N5", fault: "large packets vanish", expected: "an alarm within 60 s, no hang", run: largePacketsLost},
		{id: "N6", fault: "name lookup fails, then means another address", expected: "looked up again within 60 s", run: nameMoves},
		{id: "N7", fault: "certificate expires, its authority changes, the handshake falls silent", expected: "an alarm; no restart", run: certificateRotated},
	}
}

// ownershipFaults are those of a pool of mirrors that share the topics through ZooKeeper.
func ownershipFaults() []trial {
	return []trial{
		{id: "Z1", fault: "one of three ZooKeepers down", expected: "no change of owner", other: "`TestPoolZooKeeper`"},
		{id: "Z2", fault: "ZooKeeper's quorum lost", expected: "one owner at most at all times; young records flow on", other: "`TestPoolZooKeeper`"},
		{id: "Z3", fault: "session expires", expected: "released and taken over", other: "`TestPoolFreeze`, `TestPoolKill`"},
		{id: "Z4", fault: "one mirror sees no majority, another does", expected: "the first is fenced", other: "`TestPoolCuts`"},
		{id: "Z5", fault: "the answer to create() is lost", expected: "recognised as its own", other: "`TestPoolZooKeeper`"},
		{id: "Z6", fault: "ownership node deleted, garbage, or of 1 MB; the whole tree wiped", expected: "no second writer, rebuilt", other: "`TestPoolZooKeeper`"},
		{id: "Z7", fault: "the server gives a new session silently", expected: "treated as an expiry", other: "a test of pkg/ownership/pool on a coordination service in memory: no real one does that"},
	}
}
