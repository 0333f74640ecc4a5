package wire

import (
	"bytes"
	"testing"
)

// Two attributes, a text and a NULL, in front of a statement, as MySQL 9.7 takes them.
const twoAttributes = "\x02\x01" + "\x02" + "\x01" + "\xfe\x00\x01a" + "\x06\x00\x01b" + "\x03xyz"

func TestAttributes(t *testing.T) {
	const text = "SELECT 1"
	tests := []struct {
		name, front string
		ok          bool
	}{
		{"none", "\x00\x01", true},
		{"text and NULL", twoAttributes, true},
		{"numbers", "\x04\x01\x00\x01" + "\x01\x00\x00" + "\x02\x80\x00" + "\x03\x00\x00" + "\x08\x00\x00" + "1" + "22" + "4444" + "88888888", true},
		{"times", "\x02\x01\x00\x01" + "\x0c\x00\x01d" + "\x0b\x00\x01t" + "\x04\xea\x07\x0b\x17" + "\x00", true},
		{"JSON", "\x01\x01\x00\x01" + "\xf5\x00\x01j" + "\x02{}", true},
		{"two sets", "\x00\x02", false},
		{"without types", "\x01\x01\x00\x00", false},
		{"of an unknown type", "\x01\x01\x00\x01\xf4\x00\x01a\x01", false},
		{"more than there can be", "\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01", false},
		{"a name longer than the packet", "\x01\x01\x00\x01\xfe\x00\xfdabc", false},
		{"a value longer than the packet", "\x01\x01\x00\x01\xfe\x00\x01a\xfd\xff\xff\xff", false},
		{"nothing", "", false},
	}
	for _, tt := range tests {
		payload := tt.front + text
		if tt.front == "" {
			payload = ""
		}
		size, ok := Attributes([]byte(payload))
		if ok != tt.ok || ok && payload[size:] != text {
			t.Errorf("%s: %d, %v", tt.name, size, ok)
		}
	}
	for n := range len(twoAttributes) {
		if _, ok := Attributes([]byte(twoAttributes[:n])); ok {
			t.Errorf("%q was accepted", twoAttributes[:n])
		}
	}
}

func TestQueryAttribute(t *testing.T) {
	for name, tt := range map[string]struct {
		front, name string
		want        Attribute
	}{
		"none":            {"\x00\x01", "a", Attribute{}},
		"a NULL":          {twoAttributes, "b", Attribute{There: true, Unread: true}},
		"a text":          {"\x02\x01" + "\x02" + "\x01" + "\xfe\x00\x01a" + "\x06\x00\x01b" + "\x03xyz", "A", Attribute{Text: "xyz", There: true}},
		"another":         {twoAttributes, "c", Attribute{}},
		"behind a number": {"\x02\x01\x00\x01" + "\x08\x00\x01n" + "\xfd\x00\x01a" + "88888888" + "\x03xyz", "a", Attribute{Text: "xyz", There: true}},
		"a number":        {"\x01\x01\x00\x01" + "\x01\x00\x01a" + "\x05", "a", Attribute{There: true, Unread: true}},
		"twice":           {"\x02\x01\x00\x01" + "\xfe\x00\x01a" + "\xfe\x00\x01a" + "\x01x" + "\x01x", "a", Attribute{There: true, Unread: true}},
		"cut short":       {"\x01\x01\x00\x01" + "\xfe\x00\x01a" + "\x09x", "a", Attribute{There: true, Unread: true}},
	} {
		if got := QueryAttribute([]byte(tt.front), tt.name); got != tt.want && !(got.Unread && tt.want.Unread && got.There == tt.want.There) {
			t.Errorf("%s: %+v, want %+v", name, got, tt.want)
		}
	}
}

func TestAttributeOfAnExecution(t *testing.T) {
	const head = "\x01\x00\x00\x00" + "\x08" + "\x01\x00\x00\x00"
	for name, tt := range map[string]struct {
		payload    string
		parameters uint16
		ahead      bool
		want       Attribute
	}{
		"no parameter, no attribute": {"\x01\x00\x00\x00\x00\x01\x00\x00\x00", 0, false, Attribute{}},
		"an attribute alone":         {head + "\x01" + "\x00" + "\x01" + "\xfe\x00\x01a" + "\x03xyz", 0, false, Attribute{Text: "xyz", There: true}},
		"behind a parameter":         {head + "\x02" + "\x00" + "\x01" + "\x03\x00\x00" + "\xfe\x00\x01a" + "4444" + "\x03xyz", 1, false, Attribute{Text: "xyz", There: true}},
		"behind a NULL":              {head + "\x02" + "\x01" + "\x01" + "\x03\x00\x00" + "\xfe\x00\x01a" + "\x03xyz", 1, false, Attribute{Text: "xyz", There: true}},
		"a parameter of that name":   {head + "\x01" + "\x00" + "\x01" + "\xfe\x00\x01a" + "\x03xyz", 1, false, Attribute{}},
		"behind one sent ahead":      {head + "\x02" + "\x00" + "\x01" + "\xfc\x00\x00" + "\xfe\x00\x01a" + "\x03xyz", 1, true, Attribute{There: true, Unread: true}},
		"another, one sent ahead":    {head + "\x02" + "\x00" + "\x01" + "\xfc\x00\x00" + "\xfe\x00\x01b" + "\x03xyz", 1, true, Attribute{}},
		"as the time before":         {head + "\x02" + "\x00" + "\x00" + "4444" + "\x03xyz", 1, false, Attribute{Unread: true}},
		"cut short":                  {head + "\x02" + "\x00" + "\x01" + "\x03\x00\x00", 1, false, Attribute{Unread: true}},
	} {
		b := ParseExecute([]byte(tt.payload), tt.parameters, QueryAttributes)
		got := b.Attribute([]byte(tt.payload), tt.parameters, tt.ahead, "a")
		if got.Unread {
			got.Text = ""
		}
		if got != tt.want {
			t.Errorf("%s: %+v, want %+v", name, got, tt.want)
		}
	}
}

// On a connection with attributes the proxy's own statements have none; other
// commands are as they were.
func TestSendSaysThatThereAreNoAttributes(t *testing.T) {
	var sent bytes.Buffer
	c := NewConn(canned{nil, &sent}, 0)
	c.attributes = true
	if err := c.Send(Query("DO 1"), []byte{byte(ComPing)}); err != nil {
		t.Fatal(err)
	}
	if want := "\x07\x00\x00\x00\x03\x00\x01DO 1" + "\x01\x00\x00\x00\x0e"; sent.String() != want {
		t.Errorf("sent %q, want %q", sent.String(), want)
	}
}

func FuzzAttributes(f *testing.F) {
	f.Add([]byte(twoAttributes + "SELECT 1"))
	f.Add([]byte("\x00\x01SELECT 1"))
	f.Add([]byte("\x01\x01\x00\x01\x0c\x00\x01d\x0b\xea\x07\x0b\x17\x01\x02\x03\x04\x05\x06\x07DO 1"))
	f.Fuzz(func(t *testing.T, payload []byte) {
		size, ok := Attributes(payload)
		if a := QueryAttribute(payload, "a"); a.There && !a.Unread && ok && len(a.Text) > size {
			t.Errorf("%+v of %d bytes", a, size)
		}
		if size < 0 || size > len(payload) {
			t.Fatalf("%d of %d bytes", size, len(payload))
		}
		if again, ok2 := Attributes(append(bytes.Clone(payload), "more"...)); ok && (!ok2 || again != size) {
			t.Errorf("%d bytes, and %d with more text behind them", size, again)
		}
	})
}

func FuzzParseExecute(f *testing.F) {
	head := "\x07\x00\x00\x00\x00\x01\x00\x00\x00"
	f.Add([]byte(head+"\x00\x01\x08\x00\xfd\x00values"), uint16(2), false)
	f.Add([]byte(head+"\x01\x00\x01\xfe\x00\x00\x03123"), uint16(1), true)
	f.Add([]byte("\x07\x00\x00\x00\x08\x01\x00\x00\x00\x02\x00\x01\xfe\x00\x00\xfe\x00\x01q\x03abc\x01z"), uint16(1), true)
	f.Fuzz(func(t *testing.T, payload []byte, parameters uint16, named bool) {
		var caps Capability
		if named {
			caps = QueryAttributes
		}
		b := ParseExecute(payload, parameters, caps)
		if b.At < 0 || b.At > len(payload) || b.Values > len(payload) || b.Values > 0 && b.Values < b.At+len(b.Types) {
			t.Fatalf("%+v of %d bytes", b, len(payload))
		}
		if a := b.Attribute(payload, parameters, false, "q"); a.There && b.Count <= uint64(parameters) {
			t.Errorf("%+v of %+v", a, b)
		}
		_, _ = b.Number(payload, []byte{typeVarString, 0})
		if b.Bound || b.At == 0 || b.Count != uint64(parameters) || named {
			return
		}
		types := bytes.Repeat([]byte{typeLong, 0}, int(parameters))
		bound := b.Bind(nil, payload, types)
		again := ParseExecute(bound, parameters, caps)
		if !again.Bound || !bytes.Equal(again.Types, types) || !bytes.Equal(bound[again.Values:], payload[b.At:]) {
			t.Errorf("%q became %q: %+v", payload, bound, again)
		}
	})
}
