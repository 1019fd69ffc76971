// Package lag looks at the links of one process once a second and keeps what it sees as one Snapshot, from which
// metrics, health, the page and the API are all drawn, so that they cannot disagree. It turns offsets into time: how
// far in time everything that reached the source is durable at the destination, and by when what is not may be lost. It
// observes and never steers, and never asks a cluster anything: what is to be known beside the copy path, probers say.
package lag
