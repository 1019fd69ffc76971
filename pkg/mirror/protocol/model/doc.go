// Package model explores the protocol exhaustively within small bounds. One mirrored partition is put together from a
// destination broker, a network that delays and loses, the source's group, the identity store, and two mirror instances
// that may both believe to own; every interleaving is enumerated breadth first, so a violation comes with a shortest
// trace. The instances decide by calling package protocol, so that code and model cannot drift apart. It is used by
// its own tests only and never does I/O.
package model
