package batch

// sequenceMask keeps sequences in 0..2^31-1: brokers count modulo 2^31.
const sequenceMask = 0x7fffffff

// AddSequence returns the sequence n records after seq. It wraps from 2^31-1 to 0; a negative n goes back.
func AddSequence(seq, n int32) int32 { return (seq + n) & sequenceMask }

// SequenceDistance returns how many records lie from one sequence to the other, negative when to comes before from. It is right
// across the wrap for true distances in -2^30..2^30-1.
func SequenceDistance(from, to int32) int32 {
	return (to - from) << 1 >> 1 // the sign of the 31-bit difference
}
