package wire

import (
	"bytes"
	"fmt"
	"testing"
)

// OK packets as MariaDB 10.11 sent them.
const (
	okInsert   = "\x00\x02\x01\x02@\x00\x00&Records: 2  Duplicates: 0  Warnings: 0\x12\x00\x10\tlast_gtid\x057-7-5"
	okSetNames = "\x00\x00\x00\x02@\x00\x00\x00b\x00!\x18character_set_connection\x07utf8mb3\x00\x1d\x14character_set_client\x07utf8mb3\x00\x1e\x15character_set_results\x07utf8mb3"
	okUse      = "\x00\x00\x00\x02@\x00\x00\x00\x07\x01\x05\x04shop"
	okState    = "\x00\x00\x00\x02@\x00\x00\x00#\x00\x1e\x1asession_track_state_change\x02ON\x02\x011"
	okBare     = "\x00\x00\x00\x03\x00\x00\x00"
	okRows     = "\xfe\x00\x00\x02\x00\x00\x00"
	okGTIDs    = "\x00\x01\x02\x02@\x00\x00\x00\x28\x03\x26\x00\x24uuid5678-0000-0000-0000-00000000:1-9" // MySQL's form
)

func TestParseOK(t *testing.T) {
	var ok OK
	if err := ParseOK([]byte(okInsert), &ok); err != nil {
		t.Fatal(err)
	}
	if ok.Affected != 2 || ok.InsertID != 1 || ok.Status != StatusAutocommit|StatusSessionChanged || ok.Warnings != 0 ||
		string(ok.Info) != "Records: 2  Duplicates: 0  Warnings: 0" {
		t.Errorf("%+v", ok)
	}
	c, rest, good := NextChange(ok.Changes)
	if !good || c.Type != ChangeVariable || string(c.Name) != "last_gtid" || string(c.Value) != "7-7-5" || len(rest) != 0 {
		t.Errorf("%+v, %q, %v", c, rest, good)
	}
}

func TestChanges(t *testing.T) {
	tests := []struct {
		name, packet string
		want         []string
	}{
		{"three variables", okSetNames, []string{"0 character_set_connection=utf8mb3", "0 character_set_client=utf8mb3", "0 character_set_results=utf8mb3"}},
		{"schema", okUse, []string{"1 =shop"}},
		{"state", okState, []string{"0 session_track_state_change=ON", "2 =1"}},
		{"gtids", okGTIDs, []string{"3 =uuid5678-0000-0000-0000-00000000:1-9"}},
		{"unknown type", "\x00\x00\x00\x02@\x00\x00\x00\x0b\x63\x02??\x01\x05\x04shop", []string{"99 =", "1 =shop"}},
		{"cut short", "\x00\x00\x00\x02@\x00\x00\x00\x05\x01\x05\x04sh", nil},
		{"inner cut", "\x00\x00\x00\x02@\x00\x00\x00\x05\x01\x03\x04sh", nil},
		{"none", okBare, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var ok OK
			if err := ParseOK([]byte(tt.packet), &ok); err != nil {
				t.Fatal(err)
			}
			var got []string
			var raw []byte
			for c, rest, good := NextChange(ok.Changes); good; c, rest, good = NextChange(rest) {
				got = append(got, formatChange(c))
				raw = append(raw, c.Raw...)
			}
			if len(got) != len(tt.want) {
				t.Fatalf("got %q, want %q", got, tt.want)
			}
			for i := range got {
				if got[i] != tt.want[i] {
					t.Errorf("got %q, want %q", got[i], tt.want[i])
				}
			}
			if len(got) > 0 && !bytes.Equal(raw, ok.Changes) {
				t.Errorf("the entries make %q of %q", raw, ok.Changes)
			}
		})
	}
}

func formatChange(c Change) string {
	return fmt.Sprintf("%d %s=%s", c.Type, c.Name, c.Value)
}

// Without its changes an OK packet is what the server sends to a client that did
// not ask for session tracking: the right column was seen on such a connection.
func TestOKWithoutChanges(t *testing.T) {
	for with, without := range map[string]string{
		okInsert: "\x00\x02\x01\x02\x00\x00\x00&Records: 2  Duplicates: 0  Warnings: 0",
		okUse:    "\x00\x00\x00\x02\x00\x00\x00",
		okBare:   okBare,
		okRows:   okRows,
	} {
		var ok OK
		if err := ParseOK([]byte(with), &ok); err != nil {
			t.Fatal(err)
		}
		if got := ok.Append(nil, with[0]); string(got) != with {
			t.Errorf("%q came back as %q", with, got)
		}
		ok.Changes = nil
		if got := ok.Append(nil, with[0]); string(got) != without {
			t.Errorf("%q became %q, want %q", with, got, without)
		}
	}
}

func TestParseOKRefusesCutPackets(t *testing.T) {
	for _, packet := range []string{okInsert, okUse, okState} {
		for n := range len(packet) {
			var ok OK
			// Cut behind its fixed part a packet is still one without info; but one
			// whose status promises changes has to have them.
			if err := ParseOK([]byte(packet[:n]), &ok); err == nil {
				t.Errorf("%q was accepted", packet[:n])
			}
		}
	}
}

func FuzzParseOK(f *testing.F) {
	for _, packet := range []string{okInsert, okSetNames, okUse, okState, okBare, okRows, okGTIDs} {
		f.Add([]byte(packet))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		var ok OK
		if ParseOK(payload, &ok) != nil {
			return
		}
		for c, rest, good := NextChange(ok.Changes); good; c, rest, good = NextChange(rest) {
			if len(c.Raw) == 0 {
				t.Fatal("an entry of no bytes")
			}
		}
		again := ok.Append(nil, payload[0])
		var back OK
		if err := ParseOK(again, &back); err != nil {
			t.Fatalf("%q became %q: %v", payload, again, err)
		}
		if back.Affected != ok.Affected || back.InsertID != ok.InsertID || !bytes.Equal(back.Info, ok.Info) || !bytes.Equal(back.Changes, ok.Changes) {
			t.Errorf("%+v became %+v", ok, back)
		}
		if len(again) > len(payload) && len(ok.Changes) == 0 {
			t.Errorf("%q grew to %q", payload, again)
		}
	})
}

func FuzzReader(f *testing.F) {
	f.Add([]byte("\xfc\x01\x02\x03abc\x00d"))
	f.Add([]byte("\xfe\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, in []byte) {
		r := NewReader(in)
		for used := len(in); !r.Bad() && r.Len() > 0; {
			r.Uint()
			if !r.Bad() && r.Len() >= used {
				t.Fatal("an integer of no bytes")
			}
			used = r.Len()
		}
		for _, read := range []func(*Reader){
			func(r *Reader) { r.Bytes() }, func(r *Reader) { r.CString() }, func(r *Reader) { r.Uint32() },
		} {
			r := NewReader(in)
			read(&r)
			if r.Len() > len(in) {
				t.Fatal("grew")
			}
		}
	})
}
