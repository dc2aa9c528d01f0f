-- What recording usage called before it kept meters.
drop function metering_hold(text, text[]);
