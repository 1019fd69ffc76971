// Package status serves what one mirror process knows of itself over HTTP: metrics, health, the status API, the events and
// a page. Everything is drawn from the newest snapshot of package lag and from the journal; a request never asks a cluster
// anything. Operators change things through a Unix socket alone, which the file system guards, and all they ask for is in
// the journal before it is done.
package status
