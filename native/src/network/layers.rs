//! The layers of a network, checked, with weights around zero: what every kernel packs its own from.

/// No row, column or depth of the published networks comes near; keeps sizes far from overflow.
const LARGEST: usize = 4096;

/// Bytes of the largest map; twenty times as many as the largest of the published networks has.
const LARGEST_MAP: usize = 1 << 24;

/// Bytes of one row under a 3x3 filter over three colours.
pub const STEM_BYTES: usize = 9;

/// Bytes from one position of the stem to the next: two pixels.
pub const STEM_STEP: usize = 6;

/// One convolution as it was handed over, see `super::Layer`.
pub struct Source {
    pub depthwise: bool,
    pub kernel: usize,
    pub stride: usize,
    pub channels: usize,
    pub depth: usize,
    pub codes: Vec<u8>,
    pub weights_zero_point: u8,
    pub bias: Vec<i32>,
    pub input_zero_point: u8,
    pub output_zero_point: u8,
    pub scale: f32,
}

/// How sums become codes: `round(sum * scale) + zero_point`, kept within 0..=255.
#[derive(Clone, Copy)]
pub struct Requantization {
    pub scale: f32,
    pub zero_point: u8,
}

/// A matrix product: a 1x1 convolution, or the stem over the 27 bytes under a filter.
#[derive(Clone)]
pub struct Pointwise {
    /// Bytes of a row that comes in, a multiple of four but in the stem.
    pub inputs: usize,
    pub outputs: usize,
    /// [outputs][inputs], -255..=255.
    pub weights: Vec<i16>,
    /// The file's, less what the zero point of the input adds to every sum.
    pub bias: Vec<i32>,
    pub requantization: Requantization,
}

/// A 3x3 convolution with one filter for each channel.
#[derive(Clone)]
pub struct Depthwise {
    pub channels: usize,
    pub window: Window,
    /// [9][channels], -255..=255.
    pub weights: Vec<i16>,
    /// As in `Pointwise`.
    pub bias: Vec<i32>,
    pub requantization: Requantization,
}

/// Where a 3x3 filter looks, padded "SAME".
#[derive(Clone, Copy)]
pub struct Window {
    /// Rows and columns that come in.
    pub size: usize,
    /// Rows and columns that come out.
    pub out_size: usize,
    pub stride: usize,
    /// Padding before the first row and column, 0 or 1. TensorFlow puts the odd one behind.
    pub before: usize,
    /// What padding is made of: the code of zero.
    pub padding: u8,
}

/// A whole network.
pub struct Network {
    pub stem: Pointwise,
    pub stem_window: Window,
    pub blocks: Vec<(Depthwise, Pointwise)>,
    pub logits: Pointwise,
}

impl Network {
    /// Checks that the layers are those of a MobileNet V1 and that no sum of theirs can overflow.
    pub fn new(size: usize, layers: &[Source]) -> Result<Self, String> {
        let [stem, pairs @ .., logits] = layers else {
            return Err(format!("{} layers", layers.len()));
        };
        if size == 0 || size > LARGEST || pairs.is_empty() || !pairs.len().is_multiple_of(2) {
            return Err(format!("{} layers for pictures of {size}", layers.len()));
        }
        stem.expect(false, 3)?;
        if stem.channels != 3 || !stem.depth.is_multiple_of(8) || stem.stride != 2 {
            return Err(format!(
                "a stem from {} to {}, stride {}",
                stem.channels, stem.depth, stem.stride
            ));
        }
        let stem_window = stem.window(size)?;
        let (mut size, mut depth) = (stem_window.out_size, stem.depth);
        expect_map(size, depth)?;
        let mut blocks = Vec::with_capacity(pairs.len() / 2);
        for pair in pairs.chunks_exact(2) {
            if pair[0].channels != depth
                || pair[1].channels != depth
                || !pair[1].depth.is_multiple_of(8)
            {
                return Err(format!("a block that does not fit a depth of {depth}"));
            }
            let depthwise = pair[0].depthwise(size)?;
            blocks.push((depthwise, pair[1].pointwise()?));
            (size, depth) = (blocks[blocks.len() - 1].0.window.out_size, pair[1].depth);
            expect_map(size, depth)?;
        }
        if logits.channels != depth {
            return Err(format!("logits from {} of {depth}", logits.channels));
        }
        Ok(Network { stem: stem.matrix()?, stem_window, blocks, logits: logits.pointwise()? })
    }
}

fn expect_map(size: usize, depth: usize) -> Result<(), String> {
    if size * size * depth > LARGEST_MAP {
        return Err(format!("a map of {size} * {size} * {depth} bytes"));
    }
    Ok(())
}

impl Source {
    fn expect(&self, depthwise: bool, kernel: usize) -> Result<(), String> {
        let taps = kernel * kernel;
        let sizes = [self.channels, self.depth];
        if self.depthwise != depthwise
            || self.kernel != kernel
            || sizes.iter().any(|size| *size == 0 || *size > LARGEST)
            || self.codes.len() != taps * self.depth * if depthwise { 1 } else { self.channels }
            || self.bias.len() != self.depth
            || !self.scale.is_finite()
            || self.scale <= 0.0
        {
            return Err(format!(
                "a layer of kernel {} from {} to {}, {} weights, scale {}",
                self.kernel,
                self.channels,
                self.depth,
                self.codes.len(),
                self.scale
            ));
        }
        Ok(())
    }

    fn pointwise(&self) -> Result<Pointwise, String> {
        self.expect(false, 1)?;
        if self.stride != 1 {
            return Err(format!("a 1x1 convolution of stride {}", self.stride));
        }
        self.matrix()
    }

    fn matrix(&self) -> Result<Pointwise, String> {
        let inputs = self.kernel * self.kernel * self.channels;
        let weights: Vec<i16> = self.codes.iter().map(|code| self.weight(*code)).collect();
        let bias = self.biases(|channel| &weights[channel * inputs..][..inputs])?;
        Ok(Pointwise {
            inputs,
            outputs: self.depth,
            weights,
            bias,
            requantization: self.requantization(),
        })
    }

    fn depthwise(&self, size: usize) -> Result<Depthwise, String> {
        self.expect(true, 3)?;
        let window = self.window(size)?;
        // Kernels take 16 bytes at once, so two columns of a map whose depth is an odd multiple of 8.
        let halves = !self.channels.is_multiple_of(16);
        if self.channels != self.depth || (halves && (self.stride != 1 || !size.is_multiple_of(2)))
        {
            return Err(format!(
                "depthwise from {} to {}, stride {}, {size} columns",
                self.channels, self.depth, self.stride
            ));
        }
        let weights: Vec<i16> = self.codes.iter().map(|code| self.weight(*code)).collect();
        let bias = self.biases(|channel| weights[channel..].iter().step_by(self.depth))?;
        Ok(Depthwise {
            channels: self.channels,
            window,
            bias,
            weights,
            requantization: self.requantization(),
        })
    }

    fn weight(&self, code: u8) -> i16 {
        i16::from(code) - i16::from(self.weights_zero_point)
    }

    fn requantization(&self) -> Requantization {
        Requantization { scale: self.scale, zero_point: self.output_zero_point }
    }

    fn window(&self, size: usize) -> Result<Window, String> {
        if self.stride != 1 && self.stride != 2 {
            return Err(format!("stride {}", self.stride));
        }
        let out_size = size.div_ceil(self.stride);
        let padding = ((out_size - 1) * self.stride + 3).saturating_sub(size);
        Ok(Window {
            size,
            out_size,
            stride: self.stride,
            before: padding / 2,
            padding: self.input_zero_point,
        })
    }

    /// Biases for sums over codes as they are, the zero point of the input not taken away.
    ///
    /// Fails where a sum could leave 32 bits, or its product with the scale the range in which
    /// float32 becomes int32; kernels rely on it.
    fn biases<'a, W: IntoIterator<Item = &'a i16>>(
        &self,
        weights: impl Fn(usize) -> W,
    ) -> Result<Vec<i32>, String> {
        let mut adjusted = Vec::with_capacity(self.depth);
        for (channel, bias) in self.bias.iter().enumerate() {
            let (mut sum, mut magnitude) = (0i64, 0i64);
            for weight in weights(channel) {
                sum += i64::from(*weight);
                magnitude += i64::from(weight.abs());
            }
            let bias = i64::from(*bias) - i64::from(self.input_zero_point) * sum;
            let most = bias.abs() + 255 * magnitude;
            let (Ok(bias), true) = (i32::try_from(bias), most < i64::from(i32::MAX)) else {
                return Err(format!("sums of up to {most}"));
            };
            if most as f64 * f64::from(self.scale) >= f64::from(1 << 30) {
                return Err(format!("sums of up to {most} at scale {}", self.scale));
            }
            adjusted.push(bias);
        }
        Ok(adjusted)
    }
}
