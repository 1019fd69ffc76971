// Package mirror is the algorithm: it takes record batches as they stand in a source partition, makes them its own, and
// keeps account of what the destination has acknowledged. It owns links, pipelines, windows and positions, and drives
// two small interfaces, Source and Sink, that pkg/consume and pkg/produce implement. It never imports an adapter, opens a
// connection or decodes a record. The rules by which it stays exactly-once are in mirror/protocol.
//
// Data flows one way. A fetch lane (consume) reads a response into a Buffer and hands its batches to an Intake, which
// seals them into their Pipeline's window. A produce lane (produce) takes batches from the windows, and brings back the
// broker's answers. The acknowledged prefix is the pipeline's position, which the Link saves at the source.
package mirror
