package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
	"os"
)

// The file format of bbolt, version 2. A page has a head (id 8, flags 2, count
// 2, overflow 4), then an array of elements, then keys and values, at offsets
// relative to their element. Integers are in the machine's byte order.
const (
	pageSize   = 4096
	pageHead   = 16
	branchSize = 16 // offset 4, key size 4, page 8
	leafSize   = 16 // flags 4, offset 4, key size 4, value size 4
	bucketHead = 16 // root page 8 (0: the page follows inline), sequence 8

	flagBranch = 0x01
	flagLeaf   = 0x02
	flagBucket = 0x01 // of a leaf element: the value is a bucket

	boltMagic   = 0xED0CDAED
	boltVersion = 2
	metaSize    = 64
	metaSumAt   = 56

	maxDepth = 32 // of a tree of pages; a full one of 4 would hold 10^8 entries
)

// verifyPages reads the whole tree of a bbolt file with plain reads and returns
// ErrDamaged, with the page, for anything that bbolt would trip over.
//
// bbolt maps the file and trusts it: a page that points out of the file is a
// fault, a wrong one is a panic in a goroutine of its own at Open, and a broken
// newest meta page makes it fall back, silently, to the transaction before. A
// vote or an acknowledged entry would then be gone, so both meta pages must be
// sound here. (They are written one at a time, within one disk sector.)
//
// Nobody may write to the file meanwhile.
func verifyPages(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	defer func() { _ = f.Close() }() // only read
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	w := walker{file: f, size: info.Size(), seen: map[uint64]bool{0: true, 1: true}}
	if err := w.walk(); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrDamaged, path, err)
	}
	return nil
}

type walker struct {
	file io.ReaderAt
	size int64
	end  uint64          // first page id that was never used
	seen map[uint64]bool // pages that something points to
}

func (w *walker) walk() error {
	var newest meta
	for id := range uint64(2) {
		m, err := w.readMeta(id)
		if err != nil {
			return fmt.Errorf("meta page %d: %w", id, err)
		}
		if id == 0 || m.tx > newest.tx {
			newest = m
		}
	}
	w.end = newest.end
	if w.end > uint64(w.size)/pageSize {
		return fmt.Errorf("the file has %d bytes, %d pages are in use", w.size, w.end)
	}
	return w.page(newest.root, bounds{}, place{top: true})
}

type meta struct{ root, end, tx uint64 }

func (w *walker) readMeta(id uint64) (meta, error) {
	var buf [pageHead + metaSize]byte
	if _, err := w.file.ReadAt(buf[:], int64(id)*pageSize); err != nil {
		return meta{}, err
	}
	m, u32, u64 := buf[pageHead:], binary.NativeEndian.Uint32, binary.NativeEndian.Uint64
	sum := fnv.New64a()
	_, _ = sum.Write(m[:metaSumAt]) // never fails
	switch {
	case u32(m) != boltMagic || u32(m[4:]) != boltVersion:
		return meta{}, fmt.Errorf("magic %x, version %d", u32(m), u32(m[4:]))
	case u32(m[8:]) != pageSize:
		return meta{}, fmt.Errorf("page size %d", u32(m[8:]))
	case u64(m[metaSumAt:]) != sum.Sum64():
		return meta{}, fmt.Errorf("the checksum is wrong")
	}
	return meta{root: u64(m[16:]), end: u64(m[40:]), tx: u64(m[48:])}, nil
}

// bounds are the keys that a page may hold: from lo (included) to hi (not). nil
// is no bound.
type bounds struct{ lo, hi []byte }

// place says where in the file's two levels of buckets a page stands.
type place struct {
	top   bool // in the root bucket, whose values are buckets
	depth int
}

// page verifies the tree under the page id.
func (w *walker) page(id uint64, b bounds, at place) error {
	if at.depth > maxDepth {
		return fmt.Errorf("page %d: deeper than %d", id, maxDepth)
	}
	buf, err := w.readPage(id)
	if err != nil {
		return fmt.Errorf("page %d: %w", id, err)
	}
	if binary.NativeEndian.Uint16(buf[8:]) == flagLeaf {
		if err := w.leaf(buf, b, at); err != nil {
			return fmt.Errorf("page %d: %w", id, err)
		}
		return nil
	}
	return w.branch(id, buf, b, at)
}

// readPage returns a page with its overflow, each part of which may be pointed
// to once.
func (w *walker) readPage(id uint64) ([]byte, error) {
	if id < 2 || id >= w.end {
		return nil, fmt.Errorf("out of 2 to %d", w.end)
	}
	var head [pageHead]byte
	if _, err := w.file.ReadAt(head[:], int64(id)*pageSize); err != nil {
		return nil, err
	}
	flags, overflow := binary.NativeEndian.Uint16(head[8:]), uint64(binary.NativeEndian.Uint32(head[12:]))
	if got := binary.NativeEndian.Uint64(head[:]); got != id {
		return nil, fmt.Errorf("it says that it is page %d", got)
	}
	if flags != flagBranch && flags != flagLeaf {
		return nil, fmt.Errorf("its type is %#x", flags)
	}
	if overflow >= w.end-id {
		return nil, fmt.Errorf("%d pages follow, up to %d exist", overflow, w.end)
	}
	for part := id; part <= id+overflow; part++ {
		if w.seen[part] {
			return nil, fmt.Errorf("page %d is pointed to twice", part)
		}
		w.seen[part] = true
	}
	buf := make([]byte, (overflow+1)*pageSize)
	_, err := w.file.ReadAt(buf, int64(id)*pageSize)
	return buf, err
}

func (w *walker) branch(id uint64, buf []byte, b bounds, at place) error {
	u32 := binary.NativeEndian.Uint32
	count := int(binary.NativeEndian.Uint16(buf[10:]))
	keys, children := make([][]byte, count), make([]uint64, count)
	for i := range count {
		at := pageHead + i*branchSize
		if at+branchSize > len(buf) {
			return fmt.Errorf("page %d: %d elements do not fit", id, count)
		}
		key, ok := within(buf, at, u32(buf[at:]), u32(buf[at+4:]))
		if !ok {
			return fmt.Errorf("page %d: key %d is out of the page", id, i)
		}
		keys[i], children[i] = key, binary.NativeEndian.Uint64(buf[at+8:])
	}
	if count == 0 {
		return fmt.Errorf("page %d: a branch without children", id)
	}
	if err := ordered(keys, b); err != nil {
		return fmt.Errorf("page %d: %w", id, err)
	}
	for i, child := range children {
		in := bounds{keys[i], b.hi}
		if i+1 < count {
			in.hi = keys[i+1]
		}
		if err := w.page(child, in, place{at.top, at.depth + 1}); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) leaf(buf []byte, b bounds, at place) error {
	u32 := binary.NativeEndian.Uint32
	count := int(binary.NativeEndian.Uint16(buf[10:]))
	keys := make([][]byte, count)
	for i := range count {
		elem := pageHead + i*leafSize
		if elem+leafSize > len(buf) {
			return fmt.Errorf("%d elements do not fit", count)
		}
		flags, pos, keySize, valueSize := u32(buf[elem:]), u32(buf[elem+4:]), u32(buf[elem+8:]), u32(buf[elem+12:])
		key, ok := within(buf, elem, pos, keySize)
		value, fits := within(buf, elem+len(key), pos, valueSize)
		if !ok || !fits {
			return fmt.Errorf("element %d is out of the page", i)
		}
		if (flags == flagBucket) != at.top || flags > flagBucket {
			return fmt.Errorf("element %d has flags %#x", i, flags)
		}
		keys[i] = key
		if at.top {
			if err := w.bucket(value, at); err != nil {
				return fmt.Errorf("bucket %q: %w", key, err)
			}
		}
	}
	return ordered(keys, b)
}

// bucket verifies a bucket whose head is the value of a leaf element.
func (w *walker) bucket(value []byte, at place) error {
	if len(value) < bucketHead {
		return fmt.Errorf("its head has %d bytes", len(value))
	}
	below := place{depth: at.depth + 1}
	if root := binary.NativeEndian.Uint64(value); root != 0 {
		return w.page(root, bounds{}, below)
	}
	inline := value[bucketHead:]
	if len(inline) < pageHead || binary.NativeEndian.Uint16(inline[8:]) != flagLeaf {
		return fmt.Errorf("its inline page is none")
	}
	return w.leaf(inline, bounds{}, below)
}

// within returns the size bytes at base+pos of buf, if they are there.
func within(buf []byte, base int, pos, size uint32) ([]byte, bool) {
	from := uint64(base) + uint64(pos)
	if from+uint64(size) > uint64(len(buf)) {
		return nil, false
	}
	return buf[from : from+uint64(size)], true
}

// ordered: the keys are not empty, rise, and stay within the bounds.
func ordered(keys [][]byte, b bounds) error {
	for i, key := range keys {
		switch {
		case len(key) == 0:
			return fmt.Errorf("key %d is empty", i)
		case i > 0 && bytes.Compare(keys[i-1], key) >= 0:
			return fmt.Errorf("key %d is out of order", i)
		case b.lo != nil && bytes.Compare(key, b.lo) < 0, b.hi != nil && bytes.Compare(key, b.hi) >= 0:
			return fmt.Errorf("key %d does not belong here", i)
		}
	}
	return nil
}
