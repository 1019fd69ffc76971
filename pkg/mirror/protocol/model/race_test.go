//go:build race

package model

// raced says that the race detector is on; the explorations are cut short then, as it slows them tenfold.
const raced = true
