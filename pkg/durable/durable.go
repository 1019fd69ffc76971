// Package durable replaces files so that a crash or a power cut at any moment leaves the former content or the new one whole.
package durable

import (
	"errors"
	"os"
	"path/filepath"
)

// Replace writes data beside path, syncs it, and puts it in path's place. It is on disk, directory entry included, when it
// returns. Only one call may be under way for a path. Only the process's user can read the file.
func Replace(path string, data []byte) error {
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// SyncDir brings the entries of a directory to disk.
func SyncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
