package packaging_test

import (
	"bytes"
	"encoding/binary"
	"io/fs"
	"os"
	"testing"
)

// Tags of an RPM's header, and flags of its files.
const (
	tagName, tagVersion                    = 1000, 1001
	tagPostIn, tagPreUn, tagPostUn         = 1024, 1025, 1026
	tagFileModes, tagFileFlags             = 1030, 1037
	tagDirIndexes                          = 1116
	tagBaseNames, tagDirNames              = 1117, 1118
	rpmConfig, rpmNoReplace         uint32 = 1, 16
	rpmLead, rpmIntro, rpmEntrySize        = 96, 16, 16
)

// rpmHeader is the values of a header by tag, as bytes up to the end of its store.
type rpmHeader struct {
	t      *testing.T
	values map[int][]byte
	counts map[int]int
}

// rpmFile is what a header says of a file.
type rpmFile struct {
	mode  fs.FileMode // the permissions alone
	flags uint32
}

// readRPM reads the header of a package: behind the lead and the signatures, which are a header of the same form.
func readRPM(t *testing.T, path string) rpmHeader {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, size := parseHeader(t, data[rpmLead:])
	size = (size + 7) / 8 * 8 // signatures are padded
	header, _ := parseHeader(t, data[rpmLead+size:])
	return header
}

// parseHeader reads one header and says how many bytes it takes: an introduction, the entries, and the store they point into.
func parseHeader(t *testing.T, data []byte) (h rpmHeader, size int) {
	t.Helper()
	if !bytes.HasPrefix(data, []byte{0x8e, 0xad, 0xe8, 1}) {
		t.Fatalf("no RPM header in % x", data[:8])
	}
	entries, stored := number(data[8:]), number(data[12:])
	store := data[rpmIntro+entries*rpmEntrySize:][:stored]
	h = rpmHeader{t, map[int][]byte{}, map[int]int{}}
	for i := range entries {
		entry := data[rpmIntro+i*rpmEntrySize:]
		h.values[number(entry)], h.counts[number(entry)] = store[number(entry[8:]):], number(entry[12:])
	}
	return h, rpmIntro + entries*rpmEntrySize + stored
}

func number(data []byte) int { return int(binary.BigEndian.Uint32(data)) }

func (h rpmHeader) text(tag int) string { return h.texts(tag, 1)[0] }

func (h rpmHeader) texts(tag, count int) []string {
	h.t.Helper()
	parts := bytes.SplitN(h.values[tag], []byte{0}, count+1)
	if len(parts) < count {
		h.t.Fatalf("tag %d has %d texts, want %d", tag, len(parts), count)
	}
	texts := make([]string, count)
	for i := range texts {
		texts[i] = string(parts[i])
	}
	return texts
}

func (h rpmHeader) files() map[string]rpmFile {
	names, dirs := h.texts(tagBaseNames, h.counts[tagBaseNames]), h.texts(tagDirNames, h.counts[tagDirNames])
	files := map[string]rpmFile{}
	for i, name := range names {
		dir := dirs[number(h.values[tagDirIndexes][4*i:])]
		files[dir+name] = rpmFile{fs.FileMode(binary.BigEndian.Uint16(h.values[tagFileModes][2*i:]) & 0o777), binary.BigEndian.Uint32(h.values[tagFileFlags][4*i:])}
	}
	return files
}
