// Package status serves what one mirror process knows of itself over HTTP: metrics, health, the status API and a page.
// Everything is drawn from the newest snapshot of package lag; a request never asks a cluster anything, and nothing
// can be changed through it.
package status
