package verify

import (
	"bufio"
	"container/heap"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
)

// sortable is how elements of one kind are ordered and spilled.
type sortable[T any] struct {
	size    int // bytes of an element in a file
	compare func(a, b *T) int
	put     func(dst []byte, e *T)
	get     func(src []byte, e *T)
}

// sorter sorts any number of elements: what does not fit into memory is sorted in runs, spilled to files without a name,
// and merged. add may be called concurrently.
type sorter[T any] struct {
	kind  sortable[T]
	dir   string
	limit int // elements in memory

	mu   sync.Mutex
	rows []T        // guarded by mu
	runs []*os.File // guarded by mu
}

func newSorter[T any](kind sortable[T], dir string, memory int64) *sorter[T] {
	return &sorter[T]{kind: kind, dir: dir, limit: int(max(1024, memory/int64(kind.size)))}
}

func (s *sorter[T]) add(rows []T) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range rows {
		if len(s.rows) == s.limit {
			if err := s.spill(); err != nil {
				return err
			}
		}
		if len(s.rows) == cap(s.rows) { // append would take more than the limit at last
			s.rows = slices.Grow(s.rows, min(s.limit, max(1024, 2*len(s.rows)))-len(s.rows))
		}
		s.rows = append(s.rows, r)
	}
	return nil
}

func (s *sorter[T]) sort() {
	slices.SortFunc(s.rows, func(a, b T) int { return s.kind.compare(&a, &b) })
}

// spill writes what is in memory to a file. The caller holds mu.
func (s *sorter[T]) spill() error {
	s.sort()
	f, err := os.CreateTemp(s.dir, "mirror-verify-")
	if err != nil {
		return fmt.Errorf("spill what is sorted to disk: %w; give more --memory, or another directory by TMPDIR", err)
	}
	s.runs = append(s.runs, f)
	if err := os.Remove(f.Name()); err != nil { // it lives as long as it is open
		return fmt.Errorf("spill what is sorted to disk: %w", err)
	}
	out := bufio.NewWriterSize(f, 1<<20)
	buf := make([]byte, s.kind.size)
	for i := range s.rows {
		s.kind.put(buf, &s.rows[i])
		if _, err := out.Write(buf); err != nil {
			return fmt.Errorf("spill what is sorted to %s: %w; give more --memory, or another directory by TMPDIR", f.Name(), err)
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("spill what is sorted to %s: %w; give more --memory, or another directory by TMPDIR", f.Name(), err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read what was spilled: %w", err)
	}
	s.rows = s.rows[:0]
	return nil
}

// each calls f with all elements in order. It may be called once.
func (s *sorter[T]) each(f func(e *T) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sort()
	if len(s.runs) == 0 {
		for i := range s.rows {
			if err := f(&s.rows[i]); err != nil {
				return err
			}
		}
		return nil
	}
	if err := s.spill(); err != nil {
		return err
	}
	s.rows = nil
	h := merge[T]{compare: s.kind.compare}
	for _, f := range s.runs {
		r := &run[T]{in: bufio.NewReaderSize(f, 256<<10), kind: &s.kind, buf: make([]byte, s.kind.size)}
		if more, err := r.next(); err != nil {
			return err
		} else if more {
			h.runs = append(h.runs, r)
		}
	}
	heap.Init(&h)
	for len(h.runs) > 0 {
		if err := f(&h.runs[0].head); err != nil {
			return err
		}
		more, err := h.runs[0].next()
		if err != nil {
			return err
		}
		if more {
			heap.Fix(&h, 0)
		} else {
			heap.Pop(&h)
		}
	}
	return nil
}

// close gives memory and files back.
func (s *sorter[T]) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.runs {
		_ = f.Close() // has no name any more
	}
	s.rows, s.runs = nil, nil
}

// run reads a spilled file.
type run[T any] struct {
	in   *bufio.Reader
	kind *sortable[T]
	buf  []byte
	head T
}

func (r *run[T]) next() (bool, error) {
	_, err := io.ReadFull(r.in, r.buf)
	if errors.Is(err, io.EOF) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read what was spilled: %w", err)
	}
	r.kind.get(r.buf, &r.head)
	return true, nil
}

// merge is a heap of runs by their first elements.
type merge[T any] struct {
	runs    []*run[T]
	compare func(a, b *T) int
}

// Len implements heap.Interface.
func (m *merge[T]) Len() int { return len(m.runs) }

// Less implements heap.Interface.
func (m *merge[T]) Less(i, j int) bool { return m.compare(&m.runs[i].head, &m.runs[j].head) < 0 }

// Swap implements heap.Interface.
func (m *merge[T]) Swap(i, j int) { m.runs[i], m.runs[j] = m.runs[j], m.runs[i] }

// Push implements heap.Interface.
func (m *merge[T]) Push(x any) { m.runs = append(m.runs, x.(*run[T])) }

// Pop implements heap.Interface.
func (m *merge[T]) Pop() any {
	last := len(m.runs) - 1
	r := m.runs[last]
	m.runs = m.runs[:last]
	return r
}
