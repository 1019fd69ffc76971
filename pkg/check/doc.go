// Package check judges what a mirror tells of itself, as a Nagios plugin does: a report goes in, and one result with an exit
// code, one line and performance data comes out. It asks nobody and has no clock. What is not known is never fine.
package check
