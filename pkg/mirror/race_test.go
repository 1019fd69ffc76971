//go:build race

package mirror

const defaultSeeds = 200
