//! The one conversion from the driver's errors.
use agent_gateway_core::{Error, ErrorKind};
use lapin::{
    ErrorKind as Driver,
    protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError},
};

/// The error of a port for one of the driver.
pub(crate) fn convert(operation: &'static str, error: lapin::Error) -> Error {
    let converted = match error.kind() {
        Driver::ProtocolError(protocol) => refused(protocol.kind()),
        Driver::IOError(_) | Driver::MissingHeartbeatError => {
            Error::unavailable("the connection to the RabbitMQ server failed")
        }
        Driver::InvalidChannel(_) | Driver::InvalidChannelState(..) | Driver::InvalidConnectionState(_) => {
            Error::unavailable("the connection to the RabbitMQ server is gone")
        }
        Driver::RuntimeShutdownError(_) => Error::unavailable("the process is ending"),
        Driver::ChannelsLimitReached => {
            Error::misconfigured("the RabbitMQ server allows too few channels: at least six are needed")
        }
        Driver::InvalidProtocolVersion(_) | Driver::ParsingError(_) => {
            Error::misconfigured("this is no RabbitMQ server, or not its port for AMQP 0-9-1: check the URL")
        }
        Driver::AuthProviderError(_) => {
            Error::misconfigured("the RabbitMQ server does not offer this way to log in: check the URL")
        }
        _ => Error::unexpected("the RabbitMQ driver failed"),
    };
    converted.during(operation).caused_by(error)
}

/// What the broker means when it refuses.
fn refused(kind: &AMQPErrorKind) -> Error {
    match kind {
        AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) => Error::misconfigured(
            "the RabbitMQ server refuses access: check user and password, and give the user the rights to configure, \
             write and read in the virtual host",
        ),
        AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED) => Error::misconfigured(
            "the RabbitMQ server does not know the virtual host, or does not let this user in: check the URL",
        ),
        AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND) => {
            Error::unavailable("a queue or an exchange is missing on the RabbitMQ server")
        }
        AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED) => Error::unavailable(
            "the RabbitMQ server refused an operation: what exists differs from what was asked for",
        ),
        AMQPErrorKind::Hard(AMQPHardError::CONNECTIONFORCED) => {
            Error::unavailable("the RabbitMQ server closed the connection")
        }
        AMQPErrorKind::Soft(AMQPSoftError::RESOURCELOCKED) | AMQPErrorKind::Hard(_) => {
            Error::unavailable("the RabbitMQ server failed")
        }
        AMQPErrorKind::Soft(_) => Error::unexpected("the RabbitMQ server refused an operation"),
    }
}

/// What every call after `close` answers.
pub(crate) fn closed(operation: &'static str) -> Error {
    Error::unavailable("the queue is closed").during(operation)
}

/// What a call answers whose connection broke before the broker did.
pub(crate) fn cut(operation: &'static str, message: &'static str) -> Error {
    Error::unavailable(message).during(operation)
}

/// Says where it happened, unless the operator already knows.
pub(crate) fn at(error: Error, place: &str) -> Error {
    match error.kind() {
        ErrorKind::Unavailable | ErrorKind::Misconfigured => error.with("server", place),
        _ => error,
    }
}
