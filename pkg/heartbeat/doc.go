// Package heartbeat writes a record now and then into the Kafka beside a mirror, and reads at the far end the records of
// all mirrors. They travel like any others, so that who reads them hears how each mirror fares, without a way to it; silence
// is the alarm. It tells what it hears and decides nothing.
package heartbeat
