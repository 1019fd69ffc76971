// Package park owns the topic mirror.parked: how a record or a batch that could not be copied stands in it, how it gets
// there, how it is listed, and how a record is written to where it belonged. It decides nothing about what is parked; the
// links in pkg/mirror do.
package park

// Topic is where a destination cluster keeps what its links could not copy.
const Topic = "mirror.parked"
