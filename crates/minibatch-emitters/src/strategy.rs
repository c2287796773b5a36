//! What a strategy of this crate gives to a consumer: what its `build` makes.

/// Implements [`Strategy`](minibatch_core::Strategy) for a type whose `build` makes its emitter.
macro_rules! strategy {
    ($window:ty) => {
        impl minibatch_core::Strategy for $window {
            fn emitter(&self) -> Result<Box<dyn minibatch_core::WindowEmitter>, minibatch_core::Error> {
                Ok(Box::new(self.build()?))
            }

            fn driver(
                &self,
                position: minibatch_core::storage::Position,
            ) -> Result<Box<dyn minibatch_core::driver::WindowDriver>, minibatch_core::Error> {
                Ok(Box::new(minibatch_core::driver::Driver::new(self.build()?, position)))
            }
        }
    };
}

pub(crate) use strategy;
