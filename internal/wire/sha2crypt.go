package wire

import "crypto/sha256"

// sha256Crypt is the digest of Ulrich Drepper's "Unix crypt using SHA-256", in its
// own base 64, without prefix. MySQL uses it with a salt of 20 bytes where crypt(3)
// takes 16 of them.
func sha256Crypt(password, salt []byte, rounds int) string {
	a := cryptBegin(password, salt)

	h := sha256.New()
	for range password {
		h.Write(password)
	}
	p := stretch(h.Sum(nil), len(password))
	h.Reset()
	for range 16 + int(a[0]) {
		h.Write(salt)
	}
	s := stretch(h.Sum(nil), len(salt))

	for round := range rounds {
		h.Reset()
		if round&1 != 0 {
			h.Write(p)
		} else {
			h.Write(a)
		}
		if round%3 != 0 {
			h.Write(s)
		}
		if round%7 != 0 {
			h.Write(p)
		}
		if round&1 != 0 {
			h.Write(a)
		} else {
			h.Write(p)
		}
		a = h.Sum(a[:0])
	}
	return cryptText(a)
}

// cryptBegin is the digest that the rounds begin with.
func cryptBegin(password, salt []byte) []byte {
	h := sha256.New()
	h.Write(password)
	h.Write(salt)
	h.Write(password)
	b := h.Sum(nil)
	h.Reset()
	h.Write(password)
	h.Write(salt)
	h.Write(stretch(b, len(password)))
	for n := len(password); n > 0; n >>= 1 {
		if n&1 != 0 {
			h.Write(b)
		} else {
			h.Write(password)
		}
	}
	return h.Sum(nil)
}

// stretch repeats digest to n bytes.
func stretch(digest []byte, n int) []byte {
	out := make([]byte, 0, n)
	for len(out) < n {
		out = append(out, digest[:min(len(digest), n-len(out))]...)
	}
	return out
}

// cryptText writes a digest as crypt(3) does: three bytes in an order of its own
// become four characters, the lowest six bits first.
func cryptText(d []byte) string {
	const alphabet = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	text := make([]byte, 0, sha2Digest)
	put := func(bits uint32, n int) {
		for range n {
			text = append(text, alphabet[bits&63])
			bits >>= 6
		}
	}
	i, j, k := 0, 10, 20
	for range 10 {
		put(uint32(d[i])<<16|uint32(d[j])<<8|uint32(d[k]), 4)
		i, j, k = k+1, i+1, j+1
	}
	put(uint32(d[31])<<8|uint32(d[30]), 3)
	return string(text)
}
