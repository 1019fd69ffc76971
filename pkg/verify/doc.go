// Package verify proves that a destination holds what its sources hold: each record once, none else, with the same key,
// value, headers and timestamp, and in order. It reads both sides with Fetch requests of its own, decodes with a decoder
// of its own, joins no group and writes nothing to any cluster. It shares no code with the copy path but the connection,
// so that a mistake there is not repeated here.
//
// A first pass adds up keyed fingerprints of records by minute. Only minutes whose sums differ are read again, record by
// record, and what differs is named by topic, partition and offset. Traffic may go on: what the sources held at the start
// must be at the destination, and what is at the destination must be at the sources at the end.
package verify
