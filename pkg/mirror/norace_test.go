//go:build !race

package mirror

const defaultSeeds = 2000
