package store

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"time"

	"github.com/hashicorp/raft"
)

// A record is a CRC-32C over its key and its body, then the body. The key is
// part of the sum so that a record that stands in the wrong place is found too.
const sumSize = 4

func seal(key, body []byte) []byte {
	out := make([]byte, sumSize, sumSize+len(body))
	binary.BigEndian.PutUint32(out, recordSum(key, body))
	return append(out, body...)
}

// unseal returns the body, which aliases record. It returns ErrDamaged.
func unseal(key, record []byte) ([]byte, error) {
	if len(record) < sumSize {
		return nil, fmt.Errorf("%w: record %x has %d bytes", ErrDamaged, key, len(record))
	}
	body := record[sumSize:]
	if got := binary.BigEndian.Uint32(record); got != recordSum(key, body) {
		return nil, fmt.Errorf("%w: record %x: the checksum is wrong", ErrDamaged, key)
	}
	return body, nil
}

func recordSum(key, body []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli) // cached by the library
	return crc32.Update(crc32.Checksum(key, table), table, body)
}

func indexKey(index uint64) []byte { return binary.BigEndian.AppendUint64(nil, index) }

// The body of a log entry: term 8, type 1, time 8, length of data 4, data,
// extensions. All integers are big-endian; the index is the key.
const (
	entryHead = 8 + 1 + 8 + 4
	noTime    = math.MinInt64
)

func encodeEntry(l *raft.Log) []byte {
	at := int64(noTime)
	if !l.AppendedAt.IsZero() {
		at = l.AppendedAt.UnixNano()
	}
	body := make([]byte, 0, entryHead+len(l.Data)+len(l.Extensions))
	body = binary.BigEndian.AppendUint64(body, l.Term)
	body = append(body, byte(l.Type))
	body = binary.BigEndian.AppendUint64(body, uint64(at))
	body = binary.BigEndian.AppendUint32(body, uint32(len(l.Data)))
	body = append(body, l.Data...)
	return append(body, l.Extensions...)
}

// decodeEntry sets *l, which shares nothing with body. Empty data comes back as
// nil. It returns ErrDamaged.
func decodeEntry(index uint64, body []byte, l *raft.Log) error {
	if len(body) < entryHead {
		return fmt.Errorf("%w: log entry %d has %d bytes", ErrDamaged, index, len(body))
	}
	size, rest := binary.BigEndian.Uint32(body[17:]), body[entryHead:]
	if uint64(size) > uint64(len(rest)) {
		return fmt.Errorf("%w: log entry %d: data of %d bytes in %d", ErrDamaged, index, size, len(rest))
	}
	*l = raft.Log{
		Index:      index,
		Term:       binary.BigEndian.Uint64(body),
		Type:       raft.LogType(body[8]),
		Data:       append([]byte(nil), rest[:size]...),
		Extensions: append([]byte(nil), rest[size:]...),
	}
	if at := int64(binary.BigEndian.Uint64(body[9:])); at != noTime {
		l.AppendedAt = time.Unix(0, at).UTC()
	}
	return nil
}

// encode returns the body of the record keyState: four numbers.
func (s state) encode() []byte {
	var body []byte
	for _, n := range []uint64{s.first, s.last, s.commit, s.keys} {
		body = binary.BigEndian.AppendUint64(body, n)
	}
	return body
}

// decodeState returns ErrDamaged.
func decodeState(body []byte) (state, error) {
	if len(body) != 4*8 {
		return state{}, fmt.Errorf("%w: record %s has %d bytes", ErrDamaged, keyState, len(body))
	}
	n := func(i int) uint64 { return binary.BigEndian.Uint64(body[i*8:]) }
	return state{first: n(0), last: n(1), commit: n(2), keys: n(3)}, nil
}
