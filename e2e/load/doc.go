// Package load makes traffic for end-to-end tests and judges what came out at
// the other end.
//
// It owns four things: a generator whose every record can be computed again
// from a seed ([Produce], and [Fill] for bulk), a checker that compares
// clusters record by record ([Compare], [Audit], [Batches]), a sampler that
// watches committed positions while faults happen ([Sampler]), and a sampler
// of a process's memory, CPU and file descriptors ([Processes]).
//
// It never imports the mirror: a checker that shares the copier's code misses
// the copier's bug. Everything here goes through a Kafka client, with its own
// idea of what a record is.
package load
