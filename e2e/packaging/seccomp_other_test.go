//go:build !linux

package packaging_test

func becomeFiltered() {}
