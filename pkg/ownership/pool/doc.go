// Package pool is one member of a pool of mirrors that share the topics of a link. It keeps what is known of the others, says
// which units this process mirrors, and stores the identities of their partitions where every member finds them.
//
// Everything is decided by one goroutine, in turns: answers, watches and wishes come as letters, a turn reads all that have
// come, and looks at what follows from all of it together. Whatever waits for the service is a job in a goroutine of its own,
// whose end is a letter. What a turn decides on may be stale, so that it rests on versions: each write begins with a check
// of the own member node, and holds the plan and the terms to the versions that were read.
//
// It never mirrors anything, and no promise about records rests on it alone: two owners at a time are harmless for young
// records, and what guards old ones is a tenure's lease and what is known of its predecessor.
package pool
