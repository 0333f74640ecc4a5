package wire

import "testing"

// TestValueOfAParameter reads parameters of each kind from an execution, in any place.
func TestValueOfAParameter(t *testing.T) {
	// id, flags, iterations; NULLs (the second of six); types; values
	payload := []byte{1, 0, 0, 0, 0, 1, 0, 0, 0, 0x02, 1}
	types := []byte{typeTiny, 0, typeLong, 0, typeVarString, 0, typeLonglong, typeUnsigned, typeDatetime, 0, typeShort, 0}
	payload = append(payload, types...)
	payload = append(payload, 0xFB)                                           // -5
	payload = append(payload, 3, 'a', 'b', 'c')                               // abc
	payload = append(payload, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF) // 2^64-1
	payload = append(payload, 4, 0xEA, 0x07, 1, 1)                            // a date
	payload = append(payload, 0x39, 0x30)                                     // 12345
	b := ParseExecute(payload, 6, 0)
	for i, want := range []string{"-5", "", "abc", "18446744073709551615", "", "12345"} {
		got, ok := b.Value(payload, types, i)
		if string(got) != want && ok || ok != (want != "") {
			t.Errorf("parameter %d: %q, %t, want %q", i, got, ok, want)
		}
	}
	for _, i := range []int{-1, 6} {
		if _, ok := b.Value(payload, types, i); ok {
			t.Errorf("there is no parameter %d", i)
		}
	}
	for cut := range payload {
		short := ParseExecute(payload[:cut], 6, 0)
		for i := range 6 {
			short.Value(payload[:cut], types, i) // must not panic
		}
	}
}
