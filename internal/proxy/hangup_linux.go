package proxy

import (
	"syscall"
	"unsafe"
)

// Bits of poll(2) that package syscall leaves out.
const (
	pollErr   = 0x0008
	pollHup   = 0x0010 // closed in both directions
	pollRDHup = 0x2000 // the peer has closed its side, whatever is still to be read
)

// sysHungUp asks, without waiting, whether the peer of a socket has gone although
// something of what it sent was not read yet: its connection was reset, or all that
// it sent before it closed is farewell.
func sysHungUp(fd uintptr, farewell string) bool {
	asked := struct {
		fd              int32
		events, revents int16
	}{fd: int32(fd), events: pollRDHup}
	var now syscall.Timespec
	n, _, err := syscall.RawSyscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&asked)), 1, uintptr(unsafe.Pointer(&now)), 0, 0, 0)
	switch {
	case err != 0 || n == 0:
		return false
	case asked.revents&(pollErr|pollHup) != 0:
		return true
	}
	var seen [16]byte
	got, err := sysPeekAt(fd, seen[:])
	return err == 0 && asked.revents&pollRDHup != 0 && string(seen[:got]) == farewell
}
