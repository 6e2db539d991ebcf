"""A VESC motor controller on a serial line: protocol, the host's side, and an emulator without hardware."""
