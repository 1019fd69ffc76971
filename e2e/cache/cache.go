// Package cache owns the directory in which tests keep between runs what is costly to get: jars, class archives,
// Debian's tools. What is in it can be deleted at any time, and is made again.
package cache

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Env names the environment variable that overrides the cache directory.
const Env = "TRIBUTARY_E2E_CACHE"

// Root returns the directory that holds everything kept between runs, and creates it: that of [Env], else
// tributary-e2e in the user's cache directory.
func Root() (string, error) {
	root := os.Getenv(Env)
	if root == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("find the cache directory (%s sets another): %w", Env, err)
		}
		root = filepath.Join(user, "tributary-e2e")
	}
	root, err := filepath.Abs(root)
	if err != nil {
		return "", fmt.Errorf("resolve the cache directory: %w", err)
	}
	if err := os.MkdirAll(root, 0o755); err != nil {
		return "", fmt.Errorf("create the cache directory: %w", err)
	}
	return root, nil
}

// Lock takes an exclusive lock that other processes respect, and that the kernel drops if this one dies.
// It waits until ctx ends. Closing the file gives the lock back.
func Lock(ctx context.Context, path string) (*os.File, error) {
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		file, err := TryLock(path)
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return file, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for lock %s: %w", path, context.Cause(ctx))
		case <-ticker.C:
		}
	}
}

// TryLock is [Lock] without the wait: the error is EWOULDBLOCK where another holds the lock.
func TryLock(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), file.Close())
	}
	return file, nil
}
