package wire

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
)

// packets numbers payloads from 1 on.
func packets(payloads ...string) []byte {
	var all []byte
	for i, p := range payloads {
		all, _ = AppendPacket(all, byte(i+1), []byte(p))
	}
	return all
}

const (
	def      = "\x03def\x00\x00\x00\x011\x00\x0c?\x00\x01\x00\x00\x00\x03\x81\x00\x00\x00\x00"
	eof      = "\xfe\x00\x00\x02\x00"
	eofMore  = "\xfe\x00\x00\x0a\x00"
	eofOpen  = "\xfe\x00\x00\x42\x00"
	endRows  = "\xfe\x00\x00\x02\x00\x00\x00"
	endMore  = "\xfe\x00\x00\x0a\x00\x00\x00"
	endOpen  = "\xfe\x00\x00\x42\x00\x00\x00"
	okPlain  = "\x00\x00\x00\x02\x00\x00\x00"
	okMore   = "\x00\x01\x00\x0a\x00\x00\x00"
	errPlain = "\xff\x7a\x04#42S02Table 'shop.t' doesn't exist"
	file     = "\xfbcards.tsv"
)

func prepareOK(columns, params byte) string {
	return "\x00\x07\x00\x00\x00" + string([]byte{columns, 0, params, 0, 0, 0, 0})
}

type transcript struct {
	events []string
	strip  bool
	marked bool // a status said that the session has changed
}

func (s *transcript) ObserveOK(ok *OK) {
	s.events = append(s.events, fmt.Sprintf("ok %d %d %#x %q", ok.Affected, ok.InsertID, ok.Status, ok.Changes))
	s.marked = s.marked || ok.Status.Has(StatusSessionChanged)
	if s.strip {
		ok.Changes = nil
	}
}

func (s *transcript) ObserveError(n uint16) { s.events = append(s.events, fmt.Sprintf("error %d", n)) }

func (s *transcript) ObservePrepared(p *Prepared) {
	s.events = append(s.events, fmt.Sprintf("prepared %d", p.ID))
}

// feed gives stream to r in pieces of size, as the proxy does: what Feed leaves
// is put in front of the next piece.
func feed(r *Response, stream []byte, size int) (out, rest []byte, err error) {
	for !r.Done() && !r.WantsFile() && len(stream) > 0 {
		n := min(size, len(stream))
		piece := append(bytes.Clone(rest), stream[:n]...)
		stream = stream[n:]
		var forward []byte
		forward, rest, err = r.Feed(piece)
		out = append(out, forward...)
		if err != nil {
			return out, rest, err
		}
		rest = bytes.Clone(rest)
	}
	return out, append(rest, stream...), nil
}

func TestResponseEnds(t *testing.T) {
	const classic = Protocol41
	const modern = Protocol41 | DeprecateEOF
	tests := []struct {
		name    string
		command Command
		caps    Capability
		stream  []byte
	}{
		{"ping", ComPing, modern, packets(okPlain)},
		{"set option answers EOF", ComSetOption, classic, packets(eof)},
		{"set option, modern", ComSetOption, modern, packets(endRows)},
		{"error", ComQuery, modern, packets(errPlain)},
		{"statistics", ComStatistics, modern, packets("Uptime: 7  Threads: 1")},
		{"statistics that look like an error", ComStatistics, modern, packets("\xff")},
		{"update", ComQuery, modern, packets(okInsert)},
		{"rows, classic", ComQuery, classic, packets("\x01", def, eof, "\x011", "\x012", eof)},
		{"rows, modern", ComQuery, modern, packets("\x01", def, "\x011", "\x012", endRows)},
		{"no rows, classic", ComQuery, classic, packets("\x02", def, def, eof, eof)},
		{"no rows, modern", ComQuery, modern, packets("\x02", def, def, endRows)},
		{"error among rows", ComQuery, modern, packets("\x01", def, "\x011", errPlain)},
		{"error instead of rows", ComQuery, classic, packets("\x01", def, eof, errPlain)},
		{"NULL in front", ComQuery, modern, packets("\x02", def, def, "\xfb\x011", endRows)},
		{"an empty text in front", ComQuery, modern, packets("\x01", def, "\x00", endRows)},
		{"row that begins as an EOF does", ComQuery, classic, packets("\x01", def, eof, "\xfe\x09\x00\x00\x00\x00\x00\x00\x00123456789", eof)},
		{"several results", ComQuery, modern, packets("\x01", def, "\x011", endMore, okMore, "\x01", def, "\x012", endRows)},
		{"several results, classic", ComQuery, classic, packets("\x01", def, eof, "\x011", eofMore, okMore, okPlain)},
		{"several results, the last an error", ComQuery, modern, packets("\x01", def, "\x011", endMore, errPlain)},
		{"more is promised by the definitions' end only", ComQuery, classic, packets("\x01", def, eofMore, "\x011", eof)},
		{"a simple command has no more results", ComPing, modern, packets(okMore)},
		{"bulk execution", ComStmtBulkExecute, modern, packets(okInsert)},
		{"bulk execution, returning", ComStmtBulkExecute, modern, packets("\x01", def, "\x00\x00\x04\x00\x00\x00", endRows)},
		{"optional metadata", ComQuery, modern | OptionalMetadata, packets("\x01\x01", def, "\x011", endRows)},
		{"no metadata", ComQuery, modern | OptionalMetadata, packets("\x01\x00", "\x011", endRows)},
		{"no metadata, classic", ComQuery, classic | OptionalMetadata, packets("\x01\x00", eof, "\x011", eof)},
		{"prepare, no metadata", ComStmtPrepare, modern | OptionalMetadata, packets(prepareOK(2, 1) + "\x00")},
		{"prepare, no metadata, classic", ComStmtPrepare, classic | OptionalMetadata, packets(prepareOK(2, 1)+"\x00", eof, eof)},
		{"prepare, no metadata, columns only", ComStmtPrepare, classic | OptionalMetadata, packets(prepareOK(2, 0)+"\x00", eof)},
		{"prepare, metadata", ComStmtPrepare, modern | OptionalMetadata, packets(prepareOK(1, 1)+"\x01", def, def)},
		{"prepare, nothing", ComStmtPrepare, modern, packets(prepareOK(0, 0))},
		{"prepare, both, classic", ComStmtPrepare, classic, packets(prepareOK(2, 1), def, eof, def, def, eof)},
		{"prepare, both, modern", ComStmtPrepare, modern, packets(prepareOK(2, 1), def, def, def)},
		{"prepare, columns, classic", ComStmtPrepare, classic, packets(prepareOK(1, 0), def, eof)},
		{"prepare, parameters, classic", ComStmtPrepare, classic, packets(prepareOK(0, 2), def, def, eof)},
		{"prepare, parameters, modern", ComStmtPrepare, modern, packets(prepareOK(0, 2), def, def)},
		{"prepare, error", ComStmtPrepare, classic, packets(errPlain)},
		{"execute", ComStmtExecute, modern, packets("\x01", def, "\x00\x00\x01\x00\x00\x00", endRows)},
		{"execute opens a cursor, classic", ComStmtExecute, classic, packets("\x01", def, eofOpen)},
		{"execute opens a cursor, modern", ComStmtExecute, modern, packets("\x01", def, endOpen)},
		{"a query opens none", ComQuery, classic, packets("\x01", def, eofOpen, "\x011", eof)},
		{"fetch", ComStmtFetch, classic, packets("\x00\x00\x01", "\x00\x00\x02", eof)},
		{"fetch, error", ComStmtFetch, modern, packets(errPlain)},
		{"field list", ComFieldList, modern, packets(def, def, endRows)},
		{"field list, classic", ComFieldList, classic, packets(def, eof)},
		{"a row of 16 MiB and more", ComQuery, modern, packets("\x01", def, "\xfe"+string(make([]byte, MaxPayload+9)), endRows)},
		{"a row of exactly 16 MiB - 1", ComQuery, modern, packets("\x01", def, "\xfe"+string(make([]byte, MaxPayload-1)), endRows)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			sizes := []int{len(tt.stream) + 3, 16384}
			if len(tt.stream) < 1000 {
				sizes = append(sizes, 1, 2, 3, 5, 7)
			}
			var first []string
			for _, size := range sizes {
				var r Response
				var seen transcript
				r.Begin(tt.command, tt.caps, &seen)
				out, rest, err := feed(&r, append(bytes.Clone(tt.stream), "xyz"...), size)
				if err != nil || !r.Done() || string(rest) != "xyz" || !bytes.Equal(out, tt.stream) {
					t.Fatalf("pieces of %d: done %v, error %v, rest %.20q, %d bytes of %d", size, r.Done(), err, rest, len(out), len(tt.stream))
				}
				if first == nil {
					first = seen.events
				}
				if fmt.Sprint(first) != fmt.Sprint(seen.events) {
					t.Errorf("pieces of %d: %v, whole: %v", size, seen.events, first)
				}
			}
		})
	}
}

func TestResponseNeedsNone(t *testing.T) {
	for _, command := range []Command{ComQuit, ComStmtClose, ComStmtSendLongData} {
		var r Response
		if r.Begin(command, Offered, &transcript{}); !r.Done() {
			t.Errorf("%s has a response", command)
		}
	}
}

func TestResponseWantsFile(t *testing.T) {
	var r Response
	var seen transcript
	r.Begin(ComQuery, Offered, &seen)
	out, rest, err := feed(&r, packets(file), 4)
	if err != nil || !r.WantsFile() || r.Done() || len(rest) != 0 || !bytes.Equal(out, packets(file)) {
		t.Fatalf("%q, %q, %v, wants a file %v", out, rest, err, r.WantsFile())
	}
	r.FileSent()
	if _, _, err = feed(&r, packets(okInsert), 4); err != nil || !r.Done() || len(seen.events) != 1 {
		t.Errorf("%v, done %v, %v", err, r.Done(), seen.events)
	}
}

// What the client did not ask for is taken out of OK packets, wherever they
// stand; the bytes around them stay.
func TestResponseStrips(t *testing.T) {
	with := packets("\x01", def, "\x011", "\xfe\x00\x00\x0a@\x00\x00\x00\x12\x00\x10\tlast_gtid\x057-7-5", okInsert, "rest")
	var stripped OK
	if err := ParseOK([]byte(okInsert), &stripped); err != nil {
		t.Fatal(err)
	}
	stripped.Changes = nil
	want := packets("\x01", def, "\x011", endMore, string(stripped.Append(nil, 0)))
	for size := 1; size < len(with)+2; size++ {
		var r Response
		seen := transcript{strip: true}
		r.Begin(ComQuery, Protocol41|DeprecateEOF, &seen)
		out, rest, err := feed(&r, with, size)
		if err != nil || !r.Done() || !bytes.Equal(out, want) || !bytes.Equal(rest[HeaderSize:], []byte("rest")) {
			t.Fatalf("pieces of %d: %v, %v\n got %q\nwant %q\nrest %q", size, r.Done(), err, out, want, rest)
		}
	}
}

// An EOF packet can not say what has changed; it does not say that either.
func TestResponseStripsTheMarkOfEOF(t *testing.T) {
	var r Response
	r.Begin(ComQuery, Protocol41, &transcript{})
	out, _, err := feed(&r, packets("\x01", def, "\xfe\x00\x00\x02@", "\x011", "\xfe\x00\x00\x02@"), 1000)
	if want := packets("\x01", def, eof, "\x011", eof); err != nil || !bytes.Equal(out, want) {
		t.Errorf("%q, %v", out, err)
	}
}

func TestResponseRefuses(t *testing.T) {
	tests := []struct {
		name    string
		command Command
		stream  []byte
		want    error
	}{
		{"empty packet", ComQuery, packets(""), ErrMalformed},
		{"no columns", ComQuery, packets("\x01\x01"), ErrMalformed},
		{"a file that nobody offered", ComQuery, packets(file), ErrMalformed},
		{"OK cut short", ComQuery, packets("\x00\x00"), ErrMalformed},
		{"error cut short", ComQuery, packets("\xff\x01"), ErrMalformed},
		{"rows after a ping", ComPing, packets("\x01"), ErrMalformed},
		{"prepare answered by a result", ComStmtPrepare, packets("\x01"), ErrMalformed},
		{"prepare cut short", ComStmtPrepare, packets("\x00\x01\x00"), ErrMalformed},
		{"OK of 2 MiB", ComPing, AppendHeader(nil, 2<<20, 1), ErrTooLarge},
		{"end of rows of 2 MiB", ComStmtFetch, append(AppendHeader(nil, 2<<20, 1), 0xFE), ErrTooLarge},
		{"head of 16 MiB", ComQuery, append(AppendHeader(nil, MaxPayload, 1), 1), ErrTooLarge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var r Response
			r.Begin(tt.command, Offered&^LocalFiles, &transcript{})
			if _, _, err := feed(&r, tt.stream, 5); !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
		})
	}
}

// The hot path: rows and their end, in chunks.
func TestResponseAllocatesNothing(t *testing.T) {
	stream := packets("\x01", def, "\x011", endRows)
	update := packets(okInsert)
	var r Response
	seen := &silent{}
	chunk := make([]byte, 4096)
	if n := testing.AllocsPerRun(1000, func() {
		for _, s := range [][]byte{stream, update} {
			r.Begin(ComQuery, Offered, seen)
			if _, _, err := r.Feed(chunk[:copy(chunk, s)]); err != nil || !r.Done() {
				t.Fatal(err)
			}
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

type silent struct{}

func (*silent) ObserveOK(ok *OK)          { ok.Changes = nil }
func (*silent) ObserveError(uint16)       {}
func (*silent) ObservePrepared(*Prepared) {}

// However the stream is cut, the same is read from it and the same passed on.
func FuzzResponse(f *testing.F) {
	for _, s := range [][]byte{
		packets(okInsert), packets("\x01", def, eof, "\x011", eofMore, okMore, okPlain), packets(errPlain), packets(file),
		packets("\x01", def, "\x011", endMore, okSetNames), packets(prepareOK(2, 1), def, eof, def, def, eof), packets("\x01", def, eofOpen),
	} {
		for _, command := range []Command{ComQuery, ComStmtExecute, ComStmtPrepare, ComStmtFetch, ComPing, ComStatistics} {
			f.Add(s, byte(command), uint8(3), uint64(DeprecateEOF|LocalFiles), true)
			f.Add(s, byte(command), uint8(1), uint64(OptionalMetadata|Progress), false)
		}
	}
	f.Fuzz(func(t *testing.T, stream []byte, command byte, size uint8, agreed uint64, strip bool) {
		caps := Protocol41 | Capability(agreed)
		modern := caps.Has(DeprecateEOF)
		run := func(size int) (string, []string) {
			var r Response
			seen := transcript{strip: strip}
			r.Begin(Command(command), caps, &seen)
			out, rest, err := feed(&r, stream, size)
			if len(out)+len(rest) > len(stream) && err == nil {
				t.Fatalf("%d bytes became %d and %d", len(stream), len(out), len(rest))
			}
			// An OK packet that promises changes and has none loses the promise.
			if !strip && modern && err == nil && !seen.marked && !bytes.Equal(append(bytes.Clone(out), rest...), stream) {
				t.Fatalf("%q became %q and %q", stream, out, rest)
			}
			return fmt.Sprintf("%q, error %v, done %v, file %v", out, err != nil, r.Done(), r.WantsFile()), seen.events
		}
		whole, wholeSeen := run(len(stream) + 1)
		cut, cutSeen := run(int(size) + 1)
		if whole != cut || fmt.Sprint(wholeSeen) != fmt.Sprint(cutSeen) {
			t.Fatalf("whole %s %v\nin pieces %s %v", whole, wholeSeen, cut, cutSeen)
		}
	})
}
